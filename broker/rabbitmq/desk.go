package rabbitmq

import (
	"context"
	"errors"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/d2e2d648/weir/broker"
)

// acquire gives the shared connection, dialled if there is none. While the broker cannot be reached it tries again, up to waitLimit.
func (t *topology) acquire(ctx context.Context) (*desk, error) {
	limit := time.Now().Add(waitLimit)
	for {
		d, a := t.take()
		if d != nil {
			return d, nil
		}
		if a == nil {
			return nil, broker.ErrClosed
		}
		select {
		case <-a.done:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		if a.err == nil {
			continue
		}
		if _, told := dialKind(a.err); told || !time.Now().Before(limit) {
			return nil, a.err
		}
	}
}

// take gives the connection, or the attempt to wait for; neither on a closed port.
func (t *topology) take() (*desk, *attempt) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if d := t.current; d != nil {
		d.users++
		d.idle.Stop()
		return d, nil
	}
	if t.shut {
		return nil, nil
	}
	if t.attempt == nil {
		a := &attempt{soon: make(chan struct{}), done: make(chan struct{})}
		t.attempt = a
		wait := time.Until(t.next)
		t.tasks.Go(func() { t.dial(a, wait) })
	}
	return nil, t.attempt
}

// dial makes the shared connection after a pause.
func (t *topology) dial(a *attempt, wait time.Duration) {
	defer close(a.done)
	select {
	case <-time.After(wait):
	case <-a.soon:
	case <-t.ctx.Done():
	}
	l, err := t.dialer.round(t.ctx)
	t.mu.Lock()
	t.attempt, t.last = nil, err
	if err != nil {
		t.next = time.Now().Add(t.backoff.failed(err))
		a.err = err
		t.mu.Unlock()
		return
	}
	t.backoff.reset()
	if t.shut {
		a.err = broker.ErrClosed
		t.mu.Unlock()
		l.close(broker.ErrClosed)
		return
	}
	d := &desk{link: l}
	d.idle = time.AfterFunc(keepTopology, func() { t.expire(d) })
	t.current = d
	t.mu.Unlock()
	if l.wire.ended() != nil {
		t.onGone(l, nil)
	}
}

// heard: the broker has answered to somebody. An attempt that waits because nobody listened is made at once.
func (t *topology) heard() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !nobody(t.last) {
		return
	}
	t.next, t.last = time.Time{}, nil
	if t.attempt != nil {
		close(t.attempt.soon)
	}
}

// release gives the connection back. One that is not to be used again is closed by its last user.
func (t *topology) release(d *desk) {
	keep := keepTopology
	if t.crowded() {
		keep = keepCrowded
	}
	t.mu.Lock()
	if d.idle == nil { // it is alone's, who closes it
		t.mu.Unlock()
		return
	}
	d.users--
	last := d.users == 0
	if last && !d.retired {
		d.idle.Reset(keep)
	}
	over := last && d.retired
	t.mu.Unlock()
	if over {
		d.link.close(errIdle)
	}
}

// expire closes the connection when nobody uses it.
func (t *topology) expire(d *desk) {
	t.mu.Lock()
	over := d.users == 0 && !d.retired
	if over {
		t.putAway(d)
	}
	over = over && !t.shut // else shutDown has it
	if over {
		t.tasks.Go(func() { d.link.close(errIdle) })
	}
	t.mu.Unlock()
}

// putAway keeps new requests from the connection. The lock is held.
func (t *topology) putAway(d *desk) {
	d.retired = true
	if t.current == d {
		t.current = nil
	}
}

// retire keeps new requests from the connection.
func (t *topology) retire(l *link) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if d := t.current; d != nil && d.link == l {
		d.idle.Stop()
		t.putAway(d)
	}
}

func (t *topology) onGone(l *link, _ error) { t.retire(l) }

// shutDown follows the end of the port.
func (t *topology) shutDown() {
	t.mu.Lock()
	t.shut = true
	d := t.current
	if d != nil {
		d.idle.Stop()
		t.putAway(d)
	}
	t.mu.Unlock()
	if d != nil {
		d.link.close(broker.ErrClosed)
	}
}

// channel gives a channel on the connection: one that another request has left, or a fresh one.
func (t *topology) channel(d *desk) (*amqp.Channel, error) {
	t.mu.Lock()
	if n := len(d.spare); n > 0 {
		ch := d.spare[n-1]
		d.spare = d.spare[:n-1]
		t.mu.Unlock()
		return ch, nil
	}
	t.mu.Unlock()
	return t.fresh(d)
}

func (t *topology) fresh(d *desk) (*amqp.Channel, error) {
	ch, _, err := d.link.open()
	if err != nil && !errors.Is(err, broker.ErrUnavailable) {
		err = failure("open a channel", requestKind(err, 0), err)
	}
	return ch, err
}

// leave keeps a channel for another request. One that a refusal has closed is of no use.
func (t *topology) leave(d *desk, ch *amqp.Channel) {
	if ch.IsClosed() {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(d.spare) < maxSpare {
		d.spare = append(d.spare, ch)
	}
}
