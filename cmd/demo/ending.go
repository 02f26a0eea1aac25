package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/d2e2d648/weir"
	"github.com/d2e2d648/weir/messages"
)

const (
	// idleGrace is how long nothing may come, while readers are connected, until what is missing is called lost.
	idleGrace = 15 * time.Second
	// healGrace is how long crashed actors may take to heal: a hang is noticed after 8 s at most, and its goroutine given up 2 s later.
	healGrace = 20 * time.Second
	// lookEvery is the pause between two looks at whether a wait is over.
	lookEvery = 20 * time.Millisecond
)

// drain waits until everything that was confirmed is delivered.
func (p *pipeline) drain() {
	moved, last := time.Now(), uint64(0)
	p.await(func() bool {
		if now := p.ledger.deliveries(); now != last || !p.tree.healed(messages.DataConsumer) {
			moved, last = time.Now(), now
		}
		missing := p.ledger.progress().Missing
		if missing > 0 && time.Since(moved) > idleGrace {
			p.notes.add(true, "nothing came for %v although the readers were connected: what is missing is called lost", idleGrace)
			return true
		}
		return missing == 0
	})
}

// heal waits until every strike was seen and every part of the channel is ready.
func (p *pipeline) heal() {
	began := time.Now()
	strikes := p.injector.strikes()
	p.await(func() bool {
		if time.Since(began) > p.flags.healWithin {
			p.notes.add(true, "not all that crashed had healed %v later%s", p.flags.healWithin, p.tree.ailing())
			return true
		}
		return p.tree.seen(strikes) && p.tree.healed("")
	})
}

// await looks again and again until it is so, or the run is cut off, or the channel has failed.
func (p *pipeline) await(so func() bool) {
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for !so() {
		if p.tree.failed() != nil {
			return
		}
		select {
		case <-look.C:
		case <-p.hard.Done():
			return
		}
	}
}

// closeWithin bounds the close of one endpoint.
const closeWithin = 10 * time.Second

// close ends writers, then readers, the principal last: it deletes the resources.
func (p *pipeline) close(rt *weir.Runtime) {
	p.stage.Store("closing")
	for i, w := range p.writers {
		p.closeOne(fmt.Sprintf("writer %d", i+1), w.Close)
	}
	for i := len(p.readers) - 1; i >= 0; i-- {
		r := p.readers[i]
		end := r.Close
		if i == 0 && !p.flags.keep {
			end = func(ctx context.Context) error { return r.CloseAndDelete(ctx, p.fresh) }
		}
		p.closeOne(fmt.Sprintf("reader %d", i+1), end)
	}
	p.closeOne("runtime", rt.Close)
}

func (p *pipeline) closeOne(what string, end func(context.Context) error) {
	ctx, cancel := context.WithTimeout(p.hard, closeWithin)
	defer cancel()
	var failed *weir.ChannelError
	if err := end(ctx); err != nil && !errors.As(err, &failed) && p.hard.Err() == nil {
		p.notes.add(false, "%s: %v", what, err)
	}
}
