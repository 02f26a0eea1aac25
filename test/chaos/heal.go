package chaos

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/d2e2d648/weir"
	"github.com/d2e2d648/weir/messages"
	"github.com/d2e2d648/weir/test/ledger"
)

// heal: the faults are over. All that was written is settled, a fresh record of each writer arrives, nothing is missing, peers hear each other, and the broker shows the consumers that should be there.
func (r *run) heal(life context.Context) {
	ctx, cancel := context.WithTimeout(life, healLimit)
	defer cancel()
	var peers sync.WaitGroup
	peers.Go(func() { r.peersAreHeard(ctx) })
	r.settled(ctx)
	fresh := r.freshRecords(ctx)
	if !r.arrived(ctx, fresh) {
		r.whatIsMissing(fresh)
	}
	r.poisonIsAccounted(ctx)
	r.consumersAreBack(ctx)
	peers.Wait()
}

// settled waits for the writers' last outcomes.
func (r *run) settled(ctx context.Context) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for _, w := range r.writers {
			w.tasks.Wait()
		}
	}()
	select {
	case <-done:
	case <-ctx.Done():
		r.bad("not healed: writes are under way %v after the faults", healLimit)
	}
}

// freshRecords writes one for each writer: its sequence, or -1.
func (r *run) freshRecords(ctx context.Context) []int {
	fresh := make([]int, len(r.writers))
	var all sync.WaitGroup
	for i, w := range r.writers {
		all.Go(func() {
			seq, err := w.fresh(ctx)
			if fresh[i] = seq; err != nil {
				fresh[i] = -1
				r.bad("not healed: a fresh record of writer %d: %v", i, err)
			}
		})
	}
	all.Wait()
	return fresh
}

// arrived waits until the fresh records are with every view, and nothing is missing.
func (r *run) arrived(ctx context.Context, fresh []int) bool {
	return r.ledger.Until(ctx, func(l *ledger.Log) bool { return missing(l, fresh) == nil })
}

// missing says what has not arrived yet.
func missing(l *ledger.Log, fresh []int) (err error) {
	if f := l.Fates(); f.Missing() > 0 {
		return fmt.Errorf("%d records are not delivered, %d not committed", f.Lost, f.Uncommitted)
	}
	for w, seq := range fresh {
		if seq >= 0 && !l.Due(&l.Writers[w][seq]) {
			err = fmt.Errorf("the fresh record %d of writer %d is not confirmed", seq, w)
		}
	}
	return err
}

func (r *run) whatIsMissing(fresh []int) {
	var err error
	r.ledger.Read(func(l *ledger.Log) { err = missing(l, fresh) })
	r.bad("not healed: %v; queue %s has %s, and its dead letters %s", err, r.channel, r.node.depth(r.channel), r.node.depth(r.channel+".dead"))
}

// peersAreHeard waits until each endpoint has heard all of the other side again, live.
func (r *run) peersAreHeard(ctx context.Context) {
	if r.plan.NoStatus {
		return
	}
	readers, writers := map[string]bool{}, map[string]bool{}
	for _, u := range r.readers {
		readers[readerName(u.n)] = true
	}
	for _, w := range r.writers {
		writers[writerName(w.n)] = true
	}
	var all sync.WaitGroup
	for _, u := range r.readers {
		all.Go(func() { r.hears(ctx, readerName(u.n), u.ends.Subscribe(), maps.Clone(writers)) })
	}
	for _, w := range r.writers {
		all.Go(func() { r.hears(ctx, writerName(w.n), w.ends.Subscribe(), maps.Clone(readers)) })
	}
	all.Wait()
}

func (r *run) hears(ctx context.Context, who string, events *weir.Subscription, deaf map[string]bool) {
	defer events.Close()
	for len(deaf) > 0 {
		e, err := events.Next(ctx)
		if err != nil {
			r.bad("not healed: %s does not hear %v", who, slices.Sorted(maps.Keys(deaf)))
			return
		}
		if status, ok := e.(*messages.StatusReceived); ok && !status.History {
			delete(deaf, status.Peer.Context)
		}
	}
}

// wanted gives how many consumers each queue and stream of the channel should have.
func (r *run) wanted() map[string]int {
	p := r.plan
	want := map[string]int{r.channel: p.Readers}
	if !p.NoStatus {
		want[r.channel+".reader.status"], want[r.channel+".writer.status"] = p.Writers, p.Readers
	}
	if p.Stream && !p.NoStatus { // a reader that may delete the stream hears the others
		want[r.channel+".reader.status"] += p.Readers
	}
	if p.Stream && p.SubEntries == 0 {
		for i := range p.Writers {
			want[r.channel+"@"+writerName(i)+".lock"] = 1
		}
	}
	return want
}

// consumersAreBack asks the broker until it shows who should be there and nobody else: it may take it some heartbeats to miss a connection that has gone in silence.
func (r *run) consumersAreBack(ctx context.Context) {
	want, last := r.wanted(), map[string]int(nil)
	for {
		asking, cancel := context.WithTimeout(ctx, ctlLimit)
		have, err := r.node.consumers(asking, r.channel)
		cancel()
		delete(have, r.channel+".dead")
		if err == nil && maps.Equal(have, want) {
			return
		}
		if err == nil {
			last = have
		}
		select {
		case <-time.After(300 * time.Millisecond): // nobody announces it
		case <-ctx.Done():
			r.bad("not healed: the broker has the consumers %v, and should have %v (%v)", last, want, err)
			return
		}
	}
}

// close ends all endpoints. Nothing is in the way, so all must end in order.
func (r *run) close(life context.Context) {
	var all sync.WaitGroup
	for _, w := range r.writers {
		all.Go(func() { r.closeOne(life, writerName(w.n), w.ends.Close) })
	}
	all.Wait()
	for _, u := range r.readers {
		all.Go(func() { r.closeOne(life, readerName(u.n), u.ends.Close) })
	}
	all.Wait()
	for _, rt := range r.runtimes {
		r.closeOne(life, "runtime", rt.Close)
	}
}

func (r *run) closeOne(life context.Context, who string, end func(context.Context) error) {
	ctx, cancel := context.WithTimeout(life, closeLimit)
	defer cancel()
	if err := end(ctx); err != nil && !errors.Is(err, weir.ErrClosed) {
		r.bad("nothing was in the way, but close of %s: %v", who, err)
	}
}
