package process

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/d2e2d648/weir"
	"github.com/d2e2d648/weir/broker/rabbitstream"
	"github.com/d2e2d648/weir/test/ledger"
	"github.com/d2e2d648/weir/test/rabbit"
)

const (
	limit    = 2 * time.Minute // of one plane of a test: only what hangs gets there
	size     = 100             // bytes of a record
	call     = 20              // records of a call
	poll     = 20              // records of a batch at most
	prefetch = 100
	hold     = 2 // batches
)

// scene is a channel of which one end is a child's, and the other the parent's.
type scene struct {
	*testing.T
	ctx    context.Context
	node   *rabbit.Node
	rng    *rand.Rand
	rt     *weir.Runtime
	ledger *ledger.Ledger
	spec       // what children have in common
	allow  int // duplicates
	own    sync.WaitGroup
	stop   context.CancelFunc // ends the parent's end
	life   context.Context
}

func newScene(t *testing.T, node *rabbit.Node, stream bool) *scene {
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-seed %d", seed)
	s := &scene{T: t, ctx: ctx, node: node, rng: rand.New(rand.NewPCG(seed, 0)), ledger: ledger.New(time.Now, rand.Uint64(), size, 1, 0)}
	s.spec = spec{URL: node.URL(), StreamURL: node.StreamURL(), Channel: fmt.Sprintf("process-%x", rand.Uint64()), Stream: stream, Poll: poll, Prefetch: prefetch, Hold: hold, CloseWithin: 10 * time.Second}
	streams, err := rabbitstream.FromURL(node.StreamURL())
	if err != nil {
		t.Fatal(err)
	}
	if s.rt, err = weir.Open(ctx, node.URL(), weir.StreamsAt(streams)); err != nil {
		t.Fatal(err)
	}
	s.life, s.stop = context.WithCancel(ctx)
	t.Cleanup(s.close)
	return s
}

func (s *scene) close() {
	s.stop()
	s.own.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	if err := s.rt.Close(ctx); err != nil {
		s.Errorf("close the parent's runtime: %v", err)
	}
}

func (s *scene) options(name string) []weir.Option {
	options := []weir.Option{weir.Name(name)}
	if s.Stream {
		options = append(options, weir.Stream())
	}
	return options
}

// reads has the parent read all, until the scene stops.
func (s *scene) reads() {
	r, err := weir.OpenReader(s.ctx, s.rt, s.Channel, weir.Raw(), s.options("parent")...)
	if err != nil {
		s.Fatal(err)
	}
	s.own.Go(func() {
		for s.life.Err() == nil {
			batch, err := r.Read(s.life)
			if err == nil {
				first := s.ledger.Deliver(0, batch.Values)
				if err = batch.Commit(s.ctx); err == nil {
					s.ledger.Commit(0, first, len(batch.Values))
				}
			}
			if err != nil && s.life.Err() == nil && !errors.Is(err, weir.ErrRedelivered) {
				s.Errorf("the parent reads: %v", err)
				return
			}
		}
	})
}

// writes has the parent write, as much as the window allows, so many records.
func (s *scene) writes(most int) {
	w, err := weir.OpenWriter(s.ctx, s.rt, s.Channel, weir.Raw(), append(s.options("parent"), weir.Create())...)
	if err != nil {
		s.Fatal(err)
	}
	s.own.Go(func() {
		for n := 0; n < most && s.life.Err() == nil; n += call {
			first, bodies := s.ledger.Attempt(0, call)
			receipt, err := w.Send(s.life, bodies...)
			if err != nil {
				s.ledger.Settle(0, first, call, err)
				break
			}
			s.own.Go(func() { s.ledger.Settle(0, first, call, receipt.Wait(s.ctx)) })
		}
	})
}

// begin starts a child under that name: it reads or writes.
func (s *scene) begin(name string, reads bool, change func(*spec)) *life {
	s.Helper()
	spec := s.spec
	spec.Name, spec.Reads = name, reads
	if change != nil {
		change(&spec)
	}
	return begin(s.ctx, s.T, spec)
}

// pace is how often there is a call to be written, where a test takes long.
const pace = 10 * time.Millisecond

// feed gives a writer something to write, at most so many records, for as long as it takes them: a call after each pause, 0 for none. What a child that was killed had not taken was attempted, and is unknown.
func (s *scene) feed(to *life, most int, pause time.Duration) {
	s.own.Go(func() {
		defer to.stdin.Close()
		for n := 0; n < most && s.life.Err() == nil; n += call {
			first, bodies := s.ledger.Attempt(0, call)
			if to.orders.Encode(order{First: first, Bodies: bodies}) != nil {
				return
			}
			select {
			case <-time.After(pause):
			case <-s.life.Done():
			}
		}
	})
}

// wrote takes in a word of a writer.
func (s *scene) wrote(w word) {
	if w.Says != settled {
		return
	}
	var err error
	switch {
	case w.Outcomes != nil:
		err = &weir.WriteError{Channel: s.Channel, Outcomes: w.Outcomes, Cause: errors.New(w.Err)}
	case w.Err != "":
		err = errors.New(w.Err)
	}
	s.ledger.Settle(0, w.First, w.N, err)
}

// read gives what takes in the words of a reader, in one of its lives.
func (s *scene) read() func(word) {
	base := 0
	s.ledger.Read(func(l *ledger.Log) { base = len(l.Readers[0].Deliveries) })
	return func(w word) {
		switch w.Says {
		case delivered:
			s.ledger.Deliver(0, w.Bodies)
		case committed:
			s.ledger.Commit(0, base+w.First, w.N)
		}
	}
}

// arrived waits until all that is confirmed is delivered and committed. What is missing when the scene ends the judgement says.
func (s *scene) arrived() {
	s.ledger.Until(s.ctx, func(l *ledger.Log) bool { return l.Fates().Missing() == 0 })
}

// judge says what became of the records.
func (s *scene) judge() (fates *ledger.Fates) {
	s.Helper()
	s.ledger.Read(func(l *ledger.Log) { fates = l.Fates() })
	s.Logf("attempted %d, confirmed %d, unknown %d, duplicated %d of %d allowed", fates.Attempted, fates.Confirmed, fates.Unknown, fates.Duplicated, s.allow)
	if fates.Confirmed == 0 {
		s.Error("nothing was confirmed")
	}
	for _, bad := range fates.Bad(ledger.Promise{Ordered: true, Duplicates: s.allow}) {
		s.Error(bad)
	}
	return fates
}
