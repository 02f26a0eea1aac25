package chaos

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/d2e2d648/weir"
	"github.com/d2e2d648/weir/broker/rabbitmq"
	"github.com/d2e2d648/weir/broker/rabbitstream"
	"github.com/d2e2d648/weir/messages"
	"github.com/d2e2d648/weir/test/ledger"
)

const (
	// openLimit bounds opening, healLimit what must be as before when the faults are over, closeLimit the closing of one endpoint.
	openLimit, healLimit, closeLimit = 30 * time.Second, 75 * time.Second, 15 * time.Second
	// afterwards is how long the traffic goes on behind the last fault, at least.
	afterwards = time.Second
)

// Result is what became of a schedule.
type Result struct {
	Plan       *Plan
	Version    string
	Took       time.Duration
	Fates      *ledger.Fates
	Promise    ledger.Promise
	Struck     []Struck
	Recoveries []Recovery // of each that struck
	Bad        []string   // what must not be
	// Broker says that the broker itself did not get the queue or the stream up again, not for anybody: then what is in Bad is not weir's.
	Broker bool
}

// Options say how schedules are run.
type Options struct {
	Say func(format string, args ...any) // is told what happens; nil: nobody
	Log io.Writer                        // of the channel's own log; nil: none
}

// run is one schedule on its way.
type run struct {
	node    *Node
	plan    *Plan
	options Options
	channel string
	ledger  *ledger.Ledger

	runtimes []*weir.Runtime
	events   []*weir.Subscription
	counting sync.WaitGroup
	writers  []*writer
	readers  []*reader

	gate    gate
	bursts  atomic.Bool
	revoked revocation

	mu       sync.Mutex
	problems []string
	struck   []Struck
	counted  incidents
	poisoned poisoned
	badHeard map[string]int // bad statuses that an endpoint has told of
}

// incidents is what the bound of duplicates is made of.
type incidents struct {
	writers, readers int
	refused          int // records that were published again for a nack, which may change their order
	returned         int // failures because there was no queue: the same
	dropped          int // events that nobody counted
	unstored         int // commits of a stream that a failing channel may not have stored
}

// Run runs one schedule on a node, and says what was wrong with it. The node is left as it was found.
func Run(ctx context.Context, node *Node, p *Plan, o Options) *Result {
	r := &run{node: node, plan: p, options: o, channel: fmt.Sprintf("chaos-%d-%x", p.Seed, rand.Uint32()), ledger: newLedger(p), badHeard: map[string]int{}}
	r.revoked.init(p)
	life, end := context.WithTimeout(ctx, 6*time.Minute)
	defer end()
	if err := r.prepare(life); err != nil {
		r.bad("prepare: %v", err)
	} else if err := r.open(life); err != nil {
		r.bad("open: %v", err)
		r.close(life)
	} else {
		r.live(life)
	}
	broker := r.brokers(life)
	if err := errors.Join(node.calm(life), r.forget(life), node.clean(r.channel)); err != nil && !broker {
		r.bad("clean up: %v", err)
	}
	for _, events := range r.events {
		events.Close()
	}
	r.counting.Wait()
	out := r.result()
	out.Broker = broker && len(out.Bad) > 0
	return out
}

// newLedger begins the ledger of a run. Of a queue the readers share the records, and each has a stream to itself.
func newLedger(p *Plan) *ledger.Ledger {
	views := make([]int, p.Readers)
	for i := range views {
		if p.Stream {
			views[i] = i
		}
	}
	return ledger.New(time.Now, rand.Uint64(), p.Size, p.Writers, views...)
}

// brokers says whether what is wrong is the broker's own doing.
func (r *run) brokers(ctx context.Context) bool {
	r.mu.Lock()
	fine := len(r.problems) == 0
	r.mu.Unlock()
	if fine {
		return false
	}
	gone, err := r.node.gone(ctx, r.channel)
	if err != nil {
		r.bad("ask for the queue: %v", err)
	}
	if gone {
		return true
	}
	if err := r.node.serves(ctx, r.plan); err != nil {
		r.bad("the broker serves nobody: %v", err)
		return true
	}
	return false
}

func (r *run) say(format string, args ...any) {
	if r.options.Say != nil {
		r.options.Say(format, args...)
	}
}

func (r *run) bad(format string, args ...any) {
	text := fmt.Sprintf("%v: ", r.ledger.Now().Round(time.Millisecond)) + fmt.Sprintf(format, args...)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.problems = append(r.problems, text)
}

// live is a schedule whose channel is open.
func (r *run) live(life context.Context) {
	traffic, stopTraffic := context.WithCancel(life)
	defer stopTraffic()
	reading, stopReading := context.WithCancel(life)
	defer stopReading()
	var readers sync.WaitGroup
	for _, u := range r.readers {
		readers.Go(func() { u.read(reading) })
	}
	for _, w := range r.writers {
		w.start(traffic, life)
	}
	r.faults(life)
	r.until(life, r.ledger.Now()+afterwards)
	r.until(life, r.plan.For)
	stopTraffic()
	r.heal(life)
	stopReading()
	readers.Wait()
	r.close(life)
}

// faults brings all of them about: those of the node one after the other, and beside them those of the network.
func (r *run) faults(life context.Context) {
	begin := r.ledger.Now()
	var lanes sync.WaitGroup
	for _, network := range []bool{false, true} {
		lanes.Go(func() {
			for _, f := range r.plan.Faults {
				if f.Kind.ofNetwork() != network {
					continue
				}
				r.until(life, begin+f.At)
				s := r.strike(life, f)
				r.mu.Lock()
				r.struck = append(r.struck, s)
				r.mu.Unlock()
			}
		})
	}
	lanes.Wait()
}

// open opens all endpoints, readers first: they make the channel.
func (r *run) open(life context.Context) error {
	ctx, cancel := context.WithTimeout(life, openLimit)
	defer cancel()
	for i := range r.plan.Readers {
		ends, err := r.openReader(ctx, i)
		if err != nil {
			return err
		}
		r.readers = append(r.readers, &reader{r: r, n: i, ends: ends})
	}
	if err := r.spread(ctx); err != nil {
		return err
	}
	for i := range r.plan.Writers {
		ends, err := r.openWriter(ctx, i)
		if err != nil {
			return err
		}
		r.writers = append(r.writers, &writer{r: r, n: i, ends: ends, rng: rand.New(rand.NewPCG(r.plan.Seed, uint64(i)))})
	}
	return nil
}

func (r *run) openReader(ctx context.Context, i int) (*weir.Reader[[]byte], error) {
	rt, err := r.runtime(ctx, i)
	if err != nil {
		return nil, err
	}
	return weir.OpenReader(ctx, rt, r.channel, r.plan.format(), r.plan.ofReader(readerName(i))...)
}

func (r *run) openWriter(ctx context.Context, i int) (*weir.Writer[[]byte], error) {
	rt, err := r.runtime(ctx, r.plan.Readers+i)
	if err != nil {
		return nil, err
	}
	return weir.OpenWriter(ctx, rt, r.channel, r.plan.format(), r.plan.ofWriter(writerName(i))...)
}

func readerName(i int) string { return fmt.Sprintf("reader-%d", i) }
func writerName(i int) string { return fmt.Sprintf("writer-%d", i) }

// runtime gives the one of all endpoints, or each its own. They are asked for in their order.
func (r *run) runtime(ctx context.Context, endpoint int) (*weir.Runtime, error) {
	if r.plan.Together {
		endpoint = 0
	}
	if endpoint < len(r.runtimes) {
		return r.runtimes[endpoint], nil
	}
	config, err := rabbitmq.FromURL(r.node.url(endpoint))
	if err != nil {
		return nil, err
	}
	streams, err := rabbitstream.FromURL(r.node.streamURL(endpoint))
	if err != nil {
		return nil, err
	}
	config.Heartbeat, streams.Heartbeat = r.plan.Heartbeat, r.plan.Heartbeat
	options := []weir.RuntimeOption{weir.StreamsAt(streams)}
	if r.options.Log != nil {
		options = append(options, weir.WithLog(zerolog.New(r.options.Log).Level(zerolog.DebugLevel).With().Timestamp().Logger()))
	}
	rt, err := weir.OpenConfig(ctx, config, options...)
	if err != nil {
		return nil, err
	}
	r.runtimes = append(r.runtimes, rt)
	events := rt.Subscribe()
	r.events = append(r.events, events)
	r.counting.Go(func() { r.count(events) })
	return rt, nil
}

// count takes in the events of a runtime until its subscription is closed.
func (r *run) count(events *weir.Subscription) {
	for e := range events.All(context.Background()) {
		r.mu.Lock()
		r.countOne(e)
		r.counted.dropped = max(r.counted.dropped, events.Dropped())
		r.mu.Unlock()
	}
}

func (r *run) countOne(e weir.Event) {
	switch e := e.(type) {
	case *messages.ChildFailed:
		switch {
		case e.Child == messages.DataProducer && errors.Is(e.Err, weir.ErrNoQueue):
			r.counted.returned++
			r.counted.writers++
		case e.Child == messages.DataProducer && e.WasReady:
			r.counted.writers++
		case e.Child == messages.DataConsumer && e.WasReady:
			r.counted.readers++
		}
	case *messages.PublishedAgain:
		r.counted.refused += e.Records
	case *messages.BadStatuses:
		r.badHeard[e.Name] += e.Count
	case *messages.ChannelFailed:
		if r.revoked.failed(e.Name, e.Err) {
			return
		}
		r.problems = append(r.problems, fmt.Sprintf("%v: channel failed: %v", r.ledger.Now(), e.Err))
	case *messages.UnhandledMessage:
		r.problems = append(r.problems, fmt.Sprintf("%s was sent a message that it does not know: %T", e.Child, e.Message))
	case *messages.Abandoned:
		r.problems = append(r.problems, fmt.Sprintf("%s does not return", e.Actor))
	}
}

// promise is what may be held against this run.
func (r *run) promise() ledger.Promise {
	p, c := r.plan, &r.counted
	promise := ledger.Promise{Ordered: c.refused+c.returned == 0}
	switch {
	case p.Stream:
		promise.Duplicates = c.readers*p.prefetch() + c.unstored
		if p.SubEntries > 0 {
			promise.Duplicates += c.writers * p.window() * p.Readers
		}
		r.ledger.Read(func(l *ledger.Log) { promise.Duplicates += len(l.Deleted) * p.Writers * p.window() * p.Readers })
	default:
		promise.Ordered = promise.Ordered && (p.Ordered || p.Readers == 1 && c.readers == 0)
		promise.Duplicates = c.writers*p.window() + c.readers*p.prefetch()
		if p.Compat { // RabbitMQ 3.10 subscribes again by itself when a classic queue's process has died
			promise.Duplicates += r.times(Crash) * p.Readers * p.prefetch()
		}
	}
	return promise
}

// times says how often a kind of fault has struck. The lock is held.
func (r *run) times(kind Kind) (n int) {
	for i := range r.struck {
		if r.struck[i].Kind == kind {
			n++
		}
	}
	return n
}

func (r *run) result() *Result {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := &Result{Plan: r.plan, Version: r.node.Version(), Took: r.ledger.Now(), Struck: r.struck, Promise: r.promise()}
	slices.SortFunc(out.Struck, func(a, b Struck) int { return int(a.Began - b.Began) })
	r.ledger.Read(func(l *ledger.Log) {
		out.Fates = l.Fates()
		for i := range out.Struck {
			out.Recoveries = append(out.Recoveries, recovery(l, out.Struck, i))
		}
	})
	out.Bad = append(r.problems, out.Fates.Bad(out.Promise)...)
	if r.counted.dropped > 0 {
		out.Bad = append(out.Bad, fmt.Sprintf("%d events were not counted", r.counted.dropped))
	}
	return out
}

// Recovery is how long it took from a fault's strike, or its end, until a record was with every reading of the channel that was attempted after that.
type Recovery struct {
	Took time.Duration // 0: there was none
	// Alone says that no other fault struck or lasted meanwhile.
	Alone bool
}

func recovery(l *ledger.Log, all []Struck, i int) Recovery {
	from := all[i].from()
	at, ok := l.Recovered(from)
	if !ok {
		return Recovery{}
	}
	r := Recovery{Took: at - from, Alone: true}
	for k := range all {
		if k != i && all[k].Began < at && all[k].Ended >= from {
			r.Alone = false
		}
	}
	return r
}
