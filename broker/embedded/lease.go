package embedded

import (
	"fmt"
	"slices"
	"strings"

	"github.com/d2e2d648/weir/broker"
)

// lease is one incarnation's. All fields but the first two are for the loop only.
type lease struct {
	b     *Broker
	owner string

	aborted, listed bool
	place           int // in the broker's list
	links           []*link
	requests        *requests // the present way for them; made when there is a request
}

func (l *lease) owned(prefix string) bool { return strings.HasPrefix(l.owner, prefix) }

// use says whether the lease may still be used, and lists it at the broker.
func (l *lease) use() bool {
	if l.aborted || l.b.stopped {
		return false
	}
	if !l.listed {
		l.listed = true
		l.b.leases.add(l)
	}
	return true
}

// OpenPublisher opens a publisher. On an aborted lease nothing comes of it.
func (l *lease) OpenPublisher(config broker.PublisherConfig, sink broker.Sink) broker.Publisher {
	p := &publisher{session: l.session(sink), config: config}
	l.b.loop.Post(func() { p.open(p, p.check()) })
	return p
}

// OpenConsumer opens a consumer. On an aborted lease nothing comes of it.
func (l *lease) OpenConsumer(config broker.ConsumerConfig, sink broker.Sink) broker.Consumer {
	c := &consumer{session: l.session(sink), config: config}
	l.b.loop.Post(func() { c.open(c, c.check()) })
	return c
}

// Do starts one request.
func (l *lease) Do(r broker.Request, done func(broker.Result)) {
	l.b.loop.Post(func() {
		if !l.use() {
			return
		}
		if l.requests == nil || l.requests.gone {
			l.requests = &requests{link{b: l.b, lease: l}}
			l.requests.connect(l.requests)
		}
		l.requests.send(packet{kind: carryOut, request: &request{what: r, done: done}})
	})
}

// Abort ends all that the lease has open.
func (l *lease) Abort() { l.b.loop.Post(l.abort) }

func (l *lease) abort() {
	l.aborted = true
	for _, k := range slices.Clone(l.links) {
		k.hangUp()
	}
	if l.listed {
		l.listed = false
		l.b.leases.remove(l)
	}
}

// requests is a lease's way for requests, at both ends.
type requests struct{ link }

type request struct {
	what broker.Request
	done func(broker.Result)
}

func (r *requests) receive(p packet) {
	result := broker.Result{}
	if r.b.refusing() {
		result.Err = refused(r.lease.owner)
	} else {
		result = r.b.carryOut(p.request.what)
	}
	r.tell(arrival{request: p.request, result: result})
}

// handOver: an aborted lease need not be told, and is not.
func (r *requests) handOver(a arrival) {
	if !r.lease.aborted {
		a.request.done(a.result)
	}
}

// tellEnd fails the requests that had not arrived.
func (r *requests) tellEnd(err error) {
	for ; r.up.n > 0; r.up.pop() {
		if p := r.up.front(); p.request != nil {
			r.tell(arrival{request: p.request, result: broker.Result{Err: err}})
		}
	}
}

func (r *requests) forgotten() {}

func unavailable(owner, why string) error {
	return fmt.Errorf("embedded broker: connection of %q: %w: %s", owner, broker.ErrUnavailable, why)
}

func refused(owner string) error { return unavailable(owner, "connections are refused") }
