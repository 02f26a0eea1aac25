package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/d2e2d648/weir"
	"github.com/d2e2d648/weir/messages"
)

// pipeline is a run's writers and readers, and what is known of them.
type pipeline struct {
	cmd      *runCmd
	run      uint64
	start    time.Time // of the run: times in records count from here
	began    time.Time // of the first record
	fresh    bool      // the channel is this run's own
	source   *source
	ledger   *ledger
	injector *injector
	tree     *tree

	soft  context.Context // ends the writing
	hard  context.Context // ends everything
	abort func()          // ends soft

	readers []*weir.Reader[[]byte]
	writers []*weir.Writer[[]byte]
	stage   atomic.Value // string, for the screen
	notes   notes
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
	ctx, cancel := context.WithTimeout(p.soft, p.cmd.Timeout)
	defer cancel()
	for i := range p.cmd.Readers {
		opts := append(p.options("reader", i), weir.Prefetch(p.cmd.prefetch()), weir.Poll(p.cmd.poll()))
		switch {
		case p.cmd.onStream(): // what is in it already is of no run, or of another
			opts = append(opts, weir.FromNext(), weir.Replay())
		case p.cmd.FanOut:
			opts = append(opts, weir.Group("readers", i, p.cmd.Readers))
		}
		r, err := weir.OpenReader(ctx, rt, p.cmd.Channel, weir.Raw(), opts...)
		if err != nil {
			return fmt.Errorf("reader %d: %w", i+1, p.cmd.wrongPlane(err))
		}
		p.readers = append(p.readers, r)
	}
	for i := range p.cmd.Writers {
		w, err := weir.OpenWriter(ctx, rt, p.cmd.Channel, weir.Raw(), p.options("writer", i)...)
		if err != nil {
			return fmt.Errorf("writer %d: %w", i+1, p.cmd.wrongPlane(err))
		}
		p.writers = append(p.writers, w)
	}
	return nil
}

func (p *pipeline) options(side string, i int) []weir.Option {
	opts := []weir.Option{weir.Name(side + "-" + strconv.Itoa(i+1)), weir.HealthInterval(p.cmd.HealthInterval)}
	if p.cmd.onStream() { // which implies the others
		return append(opts, weir.Stream())
	}
	if p.cmd.FanOut {
		opts = append(opts, weir.FanOut())
	}
	if p.cmd.Ordered {
		opts = append(opts, weir.Ordered())
	}
	return opts
}

// flow writes and reads until all that was confirmed is delivered and all that crashed has healed.
func (p *pipeline) flow() {
	p.stage.Store("running")
	p.began = time.Now()
	p.injector.start()
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
	pace := pace{rate: p.cmd.Rate / float64(p.cmd.Writers), start: time.Now()}
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
		return p.cmd.Size
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
		if err := batch.Commit(p.hard); err != nil && !errors.Is(err, weir.ErrRedelivered) {
			return
		}
	}
}
