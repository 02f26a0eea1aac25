package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/d2e2d648/weir/broker"
)

const (
	maxRequests  = 32               // carried out at a time
	requestTime  = 30 * time.Second // then a request is given up; its owner's own deadline is sooner
	abandonTime  = 90 * time.Second // then the connection is cut, too: see partingTime
	keepTopology = 5 * time.Second  // how long the connection waits for further requests
	keepCrowded  = time.Second / 4  // the same, where the sessions have more than two connections
	maxSpare     = maxRequests
)

// topology carries out requests on a connection of its own, because some refusals of the broker end the whole connection. It is dialled on demand,
// shared by the requests of all leases, and closed when nobody has needed it for a while. A request whose connection ends is
// tried once more on one that it has alone: whose refusal it was cannot be seen.
//
// amqp091's calls have no context: each request runs in a goroutine that may be abandoned; the connection that it hangs on is not used
// again, and cut in the end.
//
// mu guards what is below it.
type topology struct {
	ctx    context.Context
	tasks  *sync.WaitGroup
	dialer dialer
	places chan struct{}
	// crowded says that there are many connections beside this one.
	crowded func() bool

	mu      sync.Mutex
	shut    bool
	current *desk
	attempt *attempt // under way
	backoff backoff
	next    time.Time
	last    error // why the last attempt failed
}

// desk is a connection for requests.
type desk struct {
	link    *link
	users   int
	retired bool // no new requests
	spare   []*amqp.Channel
	idle    *time.Timer
}

// attempt is a dial that several requests wait for.
type attempt struct {
	soon chan struct{} // closed when it need not pause
	done chan struct{}
	err  error
}

func newTopology(ctx context.Context, tasks *sync.WaitGroup, config *Config) *topology {
	t := &topology{ctx: ctx, tasks: tasks, places: make(chan struct{}, maxRequests)}
	t.dialer = dialer{config: config, purpose: "topology", hold: new(atomic.Bool), onHold: func(*link, bool) {}, onGone: t.onGone}
	return t
}

// begin starts a task, unless the port is closed.
func (t *topology) begin(task func()) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.shut {
		return false
	}
	t.tasks.Go(task)
	return true
}

// carryOut waits for the request's turn and for its result. A cancelled context gives up at once.
func (t *topology) carryOut(ctx context.Context, request broker.Request) (result broker.Result) {
	what := request.String()
	ctx, cancel := context.WithTimeoutCause(ctx, requestTime, fmt.Errorf("no answer within %v", requestTime))
	defer cancel()
	select {
	case t.places <- struct{}{}:
	case <-ctx.Done():
		return broker.Result{Err: t.gaveUp(ctx, what)}
	}
	defer func() { <-t.places }()
	done := make(chan broker.Result, 1)
	if !t.begin(func() { done <- t.twice(ctx, request) }) {
		return broker.Result{Err: failure(what, broker.ErrClosed, nil)}
	}
	select {
	case result = <-done:
		if result.Err != nil {
			result.Err = failure(what, kindOf(result.Err), result.Err)
		}
		return result
	case <-ctx.Done():
		return broker.Result{Err: t.gaveUp(ctx, what)}
	}
}

func (t *topology) gaveUp(ctx context.Context, what string) error {
	if t.ctx.Err() != nil {
		return failure(what, broker.ErrClosed, nil)
	}
	return failure(what, broker.ErrUnavailable, context.Cause(ctx))
}

// twice tries the request on the shared connection, and once more where that ends under it: alone if the broker said why, for the reason may be this
// request.
func (t *topology) twice(ctx context.Context, request broker.Request) broker.Result {
	d, err := t.acquire(ctx)
	if err != nil {
		return broker.Result{Err: err}
	}
	result := t.on(ctx, d, request)
	cause := d.link.wire.ended()
	if result.Err == nil || cause == nil || ctx.Err() != nil {
		return result
	}
	var said *closeReason
	if errors.As(cause, &said) && said.code != codeConnectionForced {
		return t.alone(ctx, func(d *desk) broker.Result { return t.on(ctx, d, request) })
	}
	if d, err = t.acquire(ctx); err != nil {
		return broker.Result{Err: err}
	}
	return t.on(ctx, d, request)
}

// alone carries something out on a connection that nobody else uses.
func (t *topology) alone(ctx context.Context, f func(*desk) broker.Result) broker.Result {
	l, err := t.dialer.round(ctx)
	if err != nil {
		return broker.Result{Err: err}
	}
	defer t.watch(ctx, l)()
	defer l.close(errIdle)
	return f(&desk{link: l})
}

// on carries the request out on the connection.
func (t *topology) on(ctx context.Context, d *desk, request broker.Request) broker.Result {
	defer t.release(d)
	defer t.watch(ctx, d.link)()
	return t.perform(ctx, d, request)
}

// watch looks after a connection while a call of amqp091 is under way: if the call takes too long, nobody else gets the connection, and it is cut when
// the call does not come back at all, or the port ends.
func (t *topology) watch(ctx context.Context, l *link) (back func()) {
	overdue := time.AfterFunc(abandonTime, func() { l.wire.fail(errors.New("a request was not answered")) })
	retire := context.AfterFunc(ctx, func() {
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			t.retire(l)
		}
	})
	end := context.AfterFunc(t.ctx, func() { l.wire.fail(broker.ErrClosed) })
	return func() {
		overdue.Stop()
		retire()
		end()
	}
}
