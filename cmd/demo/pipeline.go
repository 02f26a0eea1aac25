package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/d2e2d648/weir"
	"github.com/d2e2d648/weir/messages"
)

// pipeline is a run's writers and readers, and what is known of them.
type pipeline struct {
	flags    flow
	run      uint64
	start    time.Time // of the run: times in records count from here
	began    time.Time // of the first record
	fresh    bool      // the channel is this run's own
	source   *source
	ledger   *ledger
	injector *injector
	tree     *tree
	with     attendant

	soft  context.Context // ends the writing
	hard  context.Context // ends everything
	abort func()          // ends soft
	cut   func()          // ends hard

	readers []*weir.Reader[[]byte]
	writers []*weir.Writer[[]byte]
	stage   atomic.Value // string, for the screen
	notes   notes
}

// attendant accompanies a pipeline on its way.
type attendant interface {
	// saw is told every event of the channel.
	saw(weir.Event)
	// opened comes when all is open, before the first record.
	opened() error
	// flows comes with the first record.
	flows()
	// through comes when all that was written is settled, delivered and healed. The readers still read.
	through()
}

// alone is the attendant of a pipeline that has none.
type alone struct{}

func (alone) saw(weir.Event) {}
func (alone) opened() error  { return nil }
func (alone) flows()         {}
func (alone) through()       {}

// newPipeline makes all of it but its injector.
func newPipeline(flags flow, src *source, stop *stopper) *pipeline {
	p := &pipeline{flags: flags, run: newRunID(), start: time.Now(), source: src, fresh: flags.Channel == "", with: alone{}}
	if p.fresh {
		p.flags.Channel = newName("demo", rand.Text())
	}
	p.soft, p.abort = context.WithCancel(stop.soft)
	p.hard, p.cut = context.WithCancel(stop.hard)
	p.ledger = newLedger(p.run, flags.Writers, flags.Readers, flags.FanOut || flags.onStream())
	p.tree = newTree(p.abort)
	return p
}

// middleware brings the injector into the actors.
func (p *pipeline) middleware() weir.RuntimeOption {
	return weir.WithSpawnOptions(actor.WithReceiverMiddleware(p.injector.middleware))
}

// conduct runs the pipeline from the first open to the last close. It says how many events nobody saw.
func (p *pipeline) conduct(rt *weir.Runtime) (dropped int, err error) {
	events := rt.Subscribe()
	var watching sync.WaitGroup
	watching.Go(func() { p.follow(events) })
	if err = p.open(rt); err == nil {
		err = p.with.opened()
	}
	if err == nil {
		p.flow()
	}
	p.injector.release()
	p.close(rt)
	events.Close()
	watching.Wait()
	return events.Dropped(), err
}

// follow takes in events until there are no more.
func (p *pipeline) follow(events *weir.Subscription) {
	for e := range events.All(context.Background()) {
		p.tree.take(e)
		p.with.saw(e)
	}
}

// notes gathers what the report has to say besides figures. Safe for concurrent use.
type notes struct {
	mu   sync.Mutex
	list []string
	bad  bool // one of them is a failure of the run
}

func (n *notes) add(bad bool, format string, args ...any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.list = append(n.list, fmt.Sprintf(format, args...))
	n.bad = n.bad || bad
}

func (p *pipeline) since() time.Duration { return time.Since(p.start) }

// chunk is how many records go out in one call.
const chunk = 100

// open opens readers first: the principal makes the channel's resources.
func (p *pipeline) open(rt *weir.Runtime) error {
	p.stage.Store("opening")
	ctx, cancel := context.WithTimeout(p.soft, p.flags.Timeout)
	defer cancel()
	for i := range p.flags.Readers {
		opts := append(p.options("reader", i), weir.Prefetch(p.flags.prefetch()), weir.Poll(p.flags.poll()))
		switch {
		case p.flags.onStream(): // what is in it already is of no run, or of another
			opts = append(opts, weir.FromNext(), weir.Replay())
		case p.flags.FanOut:
			opts = append(opts, weir.Group("readers", i, p.flags.Readers))
		}
		r, err := weir.OpenReader(ctx, rt, p.flags.Channel, weir.Raw(), opts...)
		if err != nil {
			return fmt.Errorf("reader %d: %w", i+1, p.flags.wrongPlane(err))
		}
		p.readers = append(p.readers, r)
	}
	for i := range p.flags.Writers {
		w, err := weir.OpenWriter(ctx, rt, p.flags.Channel, weir.Raw(), p.options("writer", i)...)
		if err != nil {
			return fmt.Errorf("writer %d: %w", i+1, p.flags.wrongPlane(err))
		}
		p.writers = append(p.writers, w)
	}
	return nil
}

func (p *pipeline) options(side string, i int) []weir.Option {
	opts := []weir.Option{weir.Name(side + "-" + strconv.Itoa(i+1)), weir.HealthInterval(p.flags.HealthInterval)}
	if p.flags.onStream() { // which implies the others
		return append(opts, weir.Stream())
	}
	if p.flags.FanOut {
		opts = append(opts, weir.FanOut())
	}
	if p.flags.Ordered {
		opts = append(opts, weir.Ordered())
	}
	return opts
}

// flow writes and reads until all that was confirmed is delivered and all that crashed has healed.
func (p *pipeline) flow() {
	p.stage.Store("running")
	p.began = time.Now()
	p.injector.start()
	p.with.flows()
	reading, enough := context.WithCancel(p.hard)
	var readers, writers sync.WaitGroup
	for i := range p.readers {
		readers.Go(func() { p.read(reading, i) })
	}
	for i := range p.writers {
		writers.Go(func() { p.write(i) })
	}
	writers.Wait()
	p.stage.Store("waiting for what is under way")
	p.drain()
	p.injector.stop()
	p.stage.Store("waiting until all has healed")
	p.heal()
	p.with.through()
	enough()
	readers.Wait()
}

// sent is one call of a writer that is under way.
type sent struct {
	first   uint64
	records int
	receipt *weir.Receipt
}

// write sends what the source gives until it has no more.
func (p *pipeline) write(writer int) {
	ctx, cancel := context.WithCancel(p.soft)
	defer cancel()
	calls := make(chan sent, 64)
	var settling sync.WaitGroup
	settling.Go(func() { p.settle(writer, calls, cancel) })
	defer settling.Wait()
	defer close(calls)
	pace := pace{rate: p.flags.rate / float64(p.flags.Writers), start: time.Now()}
	for {
		n := pace.wait(ctx, chunk)
		if n == 0 {
			return
		}
		payloads, err := p.source.take(n)
		if err != nil {
			p.notes.add(true, "%v", err)
		}
		if err != nil || len(payloads) == 0 {
			return
		}
		first := p.ledger.attempt(writer, len(payloads))
		receipt, err := p.writers[writer].Send(ctx, p.records(writer, first, payloads)...)
		if err != nil {
			p.failed(writer, first, len(payloads), err)
			return
		}
		calls <- sent{first, len(payloads), receipt}
	}
}

// records makes records of payloads. They share one array.
func (p *pipeline) records(writer int, first uint64, payloads [][]byte) [][]byte {
	size := 0
	for _, payload := range payloads {
		size += p.sizeOf(payload)
	}
	arena := make([]byte, size)
	records := make([][]byte, len(payloads))
	for i, payload := range payloads {
		n := p.sizeOf(payload)
		records[i], arena = arena[:n:n], arena[n:]
		copy(records[i][identitySize:], payload)
		id := identity{writer: uint32(writer), run: p.run, seq: first + uint64(i), at: p.since()}
		id.put(records[i])
	}
	return records
}

func (p *pipeline) sizeOf(payload []byte) int {
	if payload == nil {
		return p.flags.Size
	}
	return identitySize + len(payload)
}

// settle notes what became of a writer's calls, in their order. One that failed ends the writing.
func (p *pipeline) settle(writer int, calls <-chan sent, cancel func()) {
	for call := range calls {
		if err := call.receipt.Wait(p.hard); err != nil {
			cancel()
			p.failed(writer, call.first, call.records, err)
			continue
		}
		p.ledger.confirm(writer, call.first, call.records)
	}
}

// failed notes what became of a call that did not end with all records confirmed. Without a *WriteError nothing is known of them.
func (p *pipeline) failed(writer int, first uint64, records int, err error) {
	outcomes := make([]messages.Outcome, records)
	for i := range outcomes {
		outcomes[i] = weir.Unknown
	}
	var write *weir.WriteError
	if errors.As(err, &write) {
		outcomes = write.Outcomes
	}
	p.ledger.settle(writer, first, outcomes)
}

// read notes and commits what comes until the context ends or the channel does.
func (p *pipeline) read(ctx context.Context, reader int) {
	r := p.readers[reader]
	for {
		batch, err := r.Read(ctx)
		if err != nil {
			return
		}
		p.ledger.deliver(reader, batch.Values, p.since())
		switch err := batch.Commit(p.hard); {
		case err == nil:
			p.ledger.commit(reader, batch.Values)
		case !errors.Is(err, weir.ErrRedelivered):
			return
		}
	}
}
