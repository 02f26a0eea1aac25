package chaos

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/d2e2d648/weir/test/ledger"
)

// What users do to a channel: readers that stall, for a while or for longer than the broker waits, and writers that have much to write at once.

// gate keeps readers from going on while it is shut. The zero value is open. It is safe for concurrent use.
type gate struct {
	mu   sync.Mutex
	shut chan struct{} // closed when it opens; nil: it is open
}

func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = make(chan struct{})
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	close(g.shut)
	g.shut = nil
}

// pass waits until the gate is open. False: the context has ended.
func (g *gate) pass(ctx context.Context) bool {
	g.mu.Lock()
	shut := g.shut
	g.mu.Unlock()
	if shut == nil {
		return ctx.Err() == nil
	}
	select {
	case <-shut:
		return true
	case <-ctx.Done():
		return false
	}
}

// stall has readers hold what they have until records wait at the broker, and then for as long as the fault lasts. The broker must not have handed out more than the prefetch.
func (r *run) stall(ctx context.Context, d time.Duration) error {
	r.gate.close()
	defer r.gate.open()
	if err := r.await(ctx, "records that wait for readers that stall", r.recordsWait); err != nil {
		return err
	}
	r.last(ctx, d)
	if r.plan.Stream {
		return nil
	}
	out, err := r.eval(ctx, fmt.Sprintf(unsettled, r.channel))
	if err != nil {
		return err
	}
	if n, err := strconv.Atoi(out); err != nil || n == 0 || n > r.plan.prefetch() {
		r.bad("readers stall: one of them has %s records unacknowledged, and its prefetch is %d (%v)", out, r.plan.prefetch(), err)
	}
	return nil
}

// recordsWait says whether records wait at the broker. Of a stream the notes tell: it keeps what was read, too.
func (r *run) recordsWait() (waiting bool, err error) {
	if r.plan.Stream {
		r.ledger.Read(func(l *ledger.Log) { waiting = l.Fates().Lost > r.plan.prefetch() })
		return waiting, nil
	}
	err = r.node.direct(func(ch *amqp.Channel) error {
		q, err := ch.QueueDeclarePassive(r.channel, true, false, false, false, nil)
		waiting = q.Messages > 0
		return err
	})
	return waiting, err
}

// await looks until something is so; nobody announces it.
func (r *run) await(ctx context.Context, what string, is func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, ctlLimit)
	defer cancel()
	for {
		ok, err := is()
		if ok {
			return nil
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("no %s within %v (%w)", what, ctlLimit, err)
		}
	}
}

// consumerTimeOut is what the broker's is set to.
const consumerTimeOut = 2 * time.Second

// timedOut is what the node logs, on every version, of a consumer that has acknowledged too late.
const timedOut = "timed out waiting for"

// timeOut has readers commit later than the broker waits.
func (r *run) timeOut(ctx context.Context) error {
	before, err := r.timeOuts()
	if err != nil {
		return err
	}
	r.gate.close()
	defer r.gate.open()
	return r.await(ctx, "consumer that has timed out", func() (bool, error) {
		now, err := r.timeOuts()
		return now > before, err
	})
}

func (r *run) timeOuts() (int, error) {
	log, err := os.ReadFile(r.node.Log())
	return bytes.Count(log, []byte(timedOut)), err
}

// burst has writers write ten times as much. Where they can: the window may be in the way, or another fault.
func (r *run) burst(ctx context.Context, d time.Duration) error {
	r.bursts.Store(true)
	defer r.bursts.Store(false)
	from := r.ledger.Now()
	r.last(ctx, d)
	before, during := 0, 0
	r.ledger.Read(func(l *ledger.Log) {
		for _, all := range l.Writers {
			for i := range all {
				switch at := all[i].At; {
				case at > from:
					during++
				case at > from-d:
					before++
				}
			}
		}
	})
	if alone := len(r.plan.Faults) == 1; alone && during <= before && during < saturated*int(d/time.Millisecond) {
		return fmt.Errorf("writers wrote %d records in %v before and %d during it", before, d, during)
	}
	return nil
}

// saturated is how many records a millisecond keep a broker busy that has this machine to share.
const saturated = 2

// prepare sets what channels must find when they are opened, and forget undoes what a schedule may have left at the broker.
func (r *run) prepare(ctx context.Context) error {
	if !r.plan.has(TimeOut) {
		return nil
	}
	_, err := r.eval(ctx, fmt.Sprintf(setTimeOut, consumerTimeOut.Milliseconds()))
	return err
}

func (r *run) forget(ctx context.Context) (err error) {
	switch {
	case r.plan.has(TimeOut):
		_, err = r.eval(ctx, clearTimeOut)
	case r.plan.has(Revoke):
		_, err = r.eval(ctx, fmt.Sprintf(changePassword, password)+".")
	}
	return err
}
