package chaos

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/d2e2d648/weir"
	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/test/ledger"
)

// How the broker refuses: connections, for a while; credentials, for good.

// refuse has new connections refused and present ones closed. Who tries again must not do so in a hot loop.
func (r *run) refuse(ctx context.Context, f Fault) error {
	begin, end := shutPorts, openPorts
	if f.Limit {
		begin, end = setLimit, clearIt
	}
	before := r.dialed()
	hit, err := r.evalAt(ctx, closeAfter(begin))
	if err != nil { // it may have begun
		_, undone := r.eval(ctx, end)
		return errors.Join(err, undone)
	}
	r.last(ctx, f.For)
	n, took := r.dialed()-before, r.ledger.Now()-hit
	r.say("refused for %v: %d connections were asked for, at most %d should be", took, n, r.mostDials(took))
	if n == 0 {
		r.bad("connections were refused for %v, and nobody noticed", took)
	}
	if most := r.mostDials(took); n > most {
		r.bad("connections were refused for %v, and %d were asked for: at most %d should be", took, n, most)
	}
	_, err = r.eval(ctx, end)
	return err
}

// dialed is how many connections were asked for so far.
func (r *run) dialed() (n int) {
	for _, p := range r.node.proxies(Both) {
		n += p.Dialed()
	}
	return n
}

// mostDials is what back-offs allow: those of a runtime's connections by role, and those of each part of a channel that goes over the stream protocol, which looks for the stream by itself.
func (r *run) mostDials(within time.Duration) int {
	who := 3 * len(r.runtimes)
	if r.plan.Stream {
		who += 2 * (r.plan.Writers + r.plan.Readers)
	}
	return who * (8 + int(3*within.Seconds()))
}

// revocation is what becomes of a channel whose credentials are refused: each endpoint fails, by that error and no other. It is safe for concurrent use.
type revocation struct {
	endpoints int
	parked    chan struct{} // one for each endpoint whose user has seen it fail
	again     chan struct{} // closed when all endpoints were opened anew

	mu    sync.Mutex
	begun bool
	all   map[string]bool // that have failed
}

func (v *revocation) init(p *Plan) {
	v.endpoints = p.Writers + p.Readers
	v.parked, v.again, v.all = make(chan struct{}, v.endpoints), make(chan struct{}), map[string]bool{}
}

func (v *revocation) begin() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.begun = true
}

// expects says whether the error is what must come of it.
func (v *revocation) expects(err error) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	failed := (*weir.ChannelError)(nil)
	return v.begun && errors.As(err, &failed) && failed.Permanent && errors.Is(err, broker.ErrPermission)
}

// failed takes in that an endpoint has failed, if that is what must be.
func (v *revocation) failed(name string, err error) bool {
	if !v.expects(err) {
		return false
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.all[name] = true
	return true
}

// parks keeps a user whose endpoint has failed by it until there is another. False: that is not why it has failed, or the context has ended.
func (v *revocation) parks(ctx context.Context, err error) bool {
	if !v.expects(err) {
		return false
	}
	select {
	case v.parked <- struct{}{}:
	case <-ctx.Done():
	}
	select {
	case <-v.again:
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}

const (
	// atOnce is how soon an endpoint must fail whose credentials are refused. The broker keeps who is refused waiting for some seconds.
	atOnce = 15 * time.Second
	// quiet is for how long it is seen that nobody tries again.
	quiet = 2 * time.Second
)

// revoke changes the password, sees to it that every endpoint fails and nobody tries again, gives the password back, and opens all of them anew.
func (r *run) revoke(ctx context.Context) error {
	r.revoked.begin()
	hit, err := r.evalAt(ctx, closeAfter(fmt.Sprintf(changePassword, "another")))
	if err != nil {
		return err
	}
	if err := r.allFail(ctx); err != nil {
		return err
	}
	r.say("all endpoints have failed %v after it", r.ledger.Now()-hit)
	before := r.dialed()
	r.last(ctx, quiet)
	if n := r.dialed() - before; n > 0 {
		r.bad("credentials are refused, all endpoints have failed, and %d connections were asked for all the same", n)
	}
	if _, err := r.eval(ctx, fmt.Sprintf(changePassword, password)+"."); err != nil {
		return err
	}
	r.unstored(hit)
	return r.anew(ctx)
}

// allFail waits until the user of each endpoint has seen it fail.
func (r *run) allFail(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, atOnce)
	defer cancel()
	for range r.revoked.endpoints {
		select {
		case <-r.revoked.parked:
		case <-ctx.Done():
			return fmt.Errorf("%v later not every endpoint has failed", atOnce)
		}
	}
	return nil
}

// anew opens all endpoints again, under their names, and lets their users go on.
func (r *run) anew(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, openLimit)
	defer cancel()
	for i, u := range r.readers {
		_ = u.ends.Close(ctx) // it says again why it has failed
		ends, err := r.openReader(ctx, i)
		if err != nil {
			return err
		}
		u.ends = ends
	}
	for i, w := range r.writers {
		_ = w.ends.Close(ctx)
		ends, err := r.openWriter(ctx, i)
		if err != nil {
			return err
		}
		w.ends = ends
	}
	close(r.revoked.again)
	return nil
}

// lateStore is how long before its end a channel on a stream may not have stored its commits.
const lateStore = 300 * time.Millisecond

// unstored counts what was committed so late that whoever reads next may get it again.
func (r *run) unstored(failed time.Duration) {
	if !r.plan.Stream {
		return
	}
	n := 0
	r.ledger.Read(func(l *ledger.Log) {
		for _, reader := range l.Readers {
			for _, d := range reader.Deliveries {
				if d.At > failed-lateStore {
					n++
				}
			}
		}
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counted.unstored += n
}
