// Command bench measures weir beside the raw client, amqp091-go, on one private RabbitMQ node, in one run.
//
// Both do the same work on the same kind of queue, one after the other, and change places every round; what counts is the ratio, since a shared machine
// makes every absolute figure an accident. Client CPU is this process's, broker CPU the node's, both over the time of the measurement alone.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"time"

	"github.com/d2e2d648/weir/test/rabbit"
)

type config struct {
	version   string
	queueType string
	records   int
	size      int
	rounds    int
}

func main() {
	var c config
	flag.StringVar(&c.version, "version", rabbit.V4_0, "of RabbitMQ")
	flag.StringVar(&c.queueType, "type", "quorum", "of the queue: quorum or classic")
	flag.IntVar(&c.records, "n", 100_000, "records in each measurement")
	flag.IntVar(&c.size, "size", 100, "bytes in each record")
	flag.IntVar(&c.rounds, "rounds", 5, "of which the median counts")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, c); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, c config) error {
	node, err := rabbit.Start(ctx, rabbit.Options{Version: c.version})
	if err != nil {
		return err
	}
	defer node.Close()
	b := &bench{config: c, node: node, body: make([]byte, c.size), samples: map[key][]sample{}}
	for round := range c.rounds {
		clients := []client{raw{}, weirClient{}}
		if round%2 == 1 {
			clients[0], clients[1] = clients[1], clients[0]
		}
		for _, work := range works {
			for _, client := range clients {
				if err := b.measure(ctx, client, work); err != nil {
					return fmt.Errorf("%s, %s: %w", client.name(), work.name, err)
				}
			}
		}
		fmt.Fprintf(os.Stderr, "round %d of %d\n", round+1, c.rounds)
	}
	b.table(os.Stdout)
	return nil
}

// client is who does the work.
type client interface {
	name() string
	// open prepares one work's ends on a fresh queue, outside of the measurement.
	open(ctx context.Context, b *bench) (ends, error)
}

// ends are a client's connections and channels.
type ends interface {
	// calls writes in calls of 100, each confirmed before the caller's next one; pipeline writes with up to 1,000 in flight.
	calls(ctx context.Context, callers int) error
	pipeline(ctx context.Context) error
	// read reads and acknowledges.
	read(ctx context.Context) error
	close(ctx context.Context) error
}

type work struct {
	name string
	// ready is done before the clock starts.
	ready func(context.Context, ends) error
	do    func(context.Context, ends) error
}

var works = []work{
	{name: "write, 1 caller of 100", do: func(ctx context.Context, e ends) error { return e.calls(ctx, 1) }},
	{name: "write, 4 callers of 100", do: func(ctx context.Context, e ends) error { return e.calls(ctx, 4) }},
	{name: "write, pipelined", do: func(ctx context.Context, e ends) error { return e.pipeline(ctx) }},
	{name: "read and commit", ready: func(ctx context.Context, e ends) error { return e.pipeline(ctx) },
		do: func(ctx context.Context, e ends) error { return e.read(ctx) }},
	{name: "both at once", do: both},
}

func both(ctx context.Context, e ends) error {
	written := make(chan error, 1)
	go func() { written <- e.pipeline(ctx) }()
	if err := e.read(ctx); err != nil {
		return err
	}
	return <-written
}

type bench struct {
	config
	node    *rabbit.Node
	body    []byte
	queues  int
	samples map[key][]sample
}

type key struct{ work, client string }

func (b *bench) queue() string {
	b.queues++
	return fmt.Sprintf("bench-%d", b.queues)
}

func (b *bench) measure(ctx context.Context, c client, w work) error {
	e, err := c.open(ctx, b)
	if err != nil {
		return err
	}
	if w.ready != nil {
		if err := w.ready(ctx, e); err != nil {
			return err
		}
	}
	runtime.GC()
	broker, own, began := brokerCPU(b.node.Pid()), ownCPU(), time.Now()
	if err := w.do(ctx, e); err != nil {
		return err
	}
	n := time.Duration(b.records)
	s := sample{rate: float64(b.records) / time.Since(began).Seconds(), cpu: (ownCPU() - own) / n, broker: (brokerCPU(b.node.Pid()) - broker) / n}
	k := key{w.name, c.name()}
	b.samples[k] = append(b.samples[k], s)
	return e.close(ctx)
}
