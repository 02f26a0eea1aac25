// Command bench measures weir beside what a user would write otherwise, on one private RabbitMQ node, in one run: amqp091-go, the stream client
// and watermill-amqp.
//
// Everybody does the same work on the same kind of queue, one after the other, and changes places every round; what counts is the ratio, since a shared
// machine makes every absolute figure an accident. Client CPU is this process's, broker CPU the node's, both over the time of the measurement alone.
//
//	go run -C test/bench . -report ../../docs/performance.md
//	go run -C test/bench . -growth -report ../../docs/growth.md
//	go run -C test/bench . -recovery -report ../../docs/reliability.md
//
// What stands between the markers of the report is replaced, and what is outside of them stays. Without a report, the tables are printed.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"time"

	"github.com/rabbitmq/rabbitmq-stream-go-client/pkg/logs"

	"github.com/d2e2d648/weir/test/rabbit"
)

type options struct {
	version  string
	rounds   int
	only     *regexp.Regexp
	each     time.Duration
	latency  time.Duration
	quick    bool
	growth   bool
	many     int
	recovery bool
	list     bool
	report   string
	save     string
	load     string
	profiles string
}

func parse() (o options, err error) {
	flag.StringVar(&o.version, "version", rabbit.V4_0, "of RabbitMQ")
	flag.IntVar(&o.rounds, "rounds", 0, "of which the median counts; 5, or 3 of growth and of many channels")
	only := flag.String("only", "", "regular `expression`: the contests to hold, see -list")
	flag.DurationVar(&o.each, "each", 800*time.Millisecond, "what a measurement of throughput is to last")
	flag.DurationVar(&o.latency, "latency", 4*time.Second, "what a measurement of latency lasts")
	flag.BoolVar(&o.quick, "quick", false, "one short round: to see that it works, its figures say nothing")
	flag.BoolVar(&o.growth, "growth", false, "measure how costs grow, instead of the comparison")
	flag.IntVar(&o.many, "many", 0, "measure what so many `channels` cost in one process, beside the raw client on as many queues, and ten times as many on the embedded broker, instead of the comparison")
	flag.BoolVar(&o.recovery, "recovery", false, "measure how fast clients are back after resets and restarts, instead of the comparison")
	flag.BoolVar(&o.list, "list", false, "only say what would be measured")
	flag.StringVar(&o.report, "report", "", "Markdown `file` to write tables and plots into; they are printed without one")
	flag.StringVar(&o.save, "save", "", "`file` to keep the samples in, as JSON")
	flag.StringVar(&o.load, "load", "", "`file` of kept samples to report on, instead of measuring")
	flag.StringVar(&o.profiles, "profiles", "", "`folder` to keep the CPU profiles of unmet goals in")
	flag.Parse()
	if flag.NArg() > 0 {
		return o, fmt.Errorf("%q is no option", flag.Arg(0))
	}
	if o.rounds == 0 {
		o.rounds = 5
		if o.growth || o.many > 0 {
			o.rounds = 3
		}
	}
	if o.quick {
		o.rounds, o.each, o.latency = 1, 100*time.Millisecond, time.Second
	}
	if o.rounds < 1 {
		return o, errors.New("at least one round")
	}
	o.only, err = regexp.Compile(*only)
	return o, err
}

func main() {
	o, err := parse()
	if err == nil {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
		defer stop()
		err = run(ctx, o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	logs.SetLogger(silent{})
	switch {
	case o.list:
		list(o)
		return nil
	case o.growth:
		return runGrowth(ctx, o)
	case o.many > 0:
		return runMany(ctx, o)
	case o.recovery:
		return runRecovery(ctx, o)
	}
	r := &results{}
	var err error
	if o.load == "" {
		r, err = compare(ctx, o)
	} else {
		err = readJSON(o.load, r)
	}
	if r != nil && o.save != "" { // also of a run that was broken off
		err = errors.Join(err, writeJSON(o.save, r))
	}
	if err != nil {
		return err
	}
	return r.report(o)
}

// compare holds all contests.
func compare(ctx context.Context, o options) (*results, error) {
	node, err := startNode(ctx, o)
	if err != nil {
		return nil, err
	}
	b := newBench(o, node)
	err = b.all(ctx)
	if err == nil {
		err = b.profileUnmet(ctx)
	}
	return b.results, errors.Join(err, node.Close())
}

func startNode(ctx context.Context, o options) (*rabbit.Node, error) {
	return rabbit.Start(ctx, rabbit.Options{Version: o.version, Stream: true})
}

func list(o options) {
	for _, c := range contests() {
		if !o.only.MatchString(c.Name()) {
			continue
		}
		fmt.Println(c.Name())
		for i, e := range c.Entries {
			note := ""
			switch {
			case i == 0:
				note = "  what the others are compared with"
			case e.Goal != goal{}:
				note = "  goal " + e.Goal.String()
			}
			fmt.Printf("    %s%s\n", e.Name(), note)
		}
	}
	for _, c := range latencyContests() {
		if o.only.MatchString(c.Name()) {
			fmt.Println(c.Name())
		}
	}
}

// silent is a logger for the stream client, which tells of every connection that is closed.
type silent struct{}

func (silent) Info(string, ...any)  {}
func (silent) Error(string, ...any) {}
func (silent) Debug(string, ...any) {}
func (silent) Warn(string, ...any)  {}
