package brokertest

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/d2e2d648/weir/broker"
)

// env is what a case works in.
type env struct {
	T
	h        Harness
	port     broker.Port
	patience time.Duration
	lease    broker.Lease // the case's own, where it needs no other
	prefix   string       // of all names at the broker

	mu                sync.Mutex
	named             int
	queues, exchanges []string
	instead           []string // streams in the place of queues, see Offer.Queues
	leases            []broker.Lease
	recorders         []*recorder
}

func newEnv(t T, h Harness, name string) *env {
	var nonce [4]byte
	rand.Read(nonce[:])
	slug := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, strings.ToLower(name))
	e := &env{T: t, h: h, port: h.Port(), patience: h.Patience(), prefix: "brokertest." + slug + "." + hex.EncodeToString(nonce[:])}
	e.lease = e.newLease()
	return e
}

// finish ends all that the case opened, deletes what it declared, and reports what the recorders found.
func (e *env) finish() {
	e.Helper()
	for _, l := range e.leases {
		method(l.Abort)
	}
	last := e.port.Lease(e.prefix + "/cleaner")
	for _, q := range e.queues {
		if r, ok := e.try(last, broker.DeleteQueue{Name: q}); !ok || r.Err != nil {
			e.Errorf("delete queue %q: answered %v, %v", q, ok, r.Err)
			break
		}
	}
	for _, x := range e.exchanges {
		if r, ok := e.try(last, broker.DeleteExchange{Name: x}); !ok || r.Err != nil {
			e.Errorf("delete exchange %q: answered %v, %v", x, ok, r.Err)
			break
		}
	}
	last.Abort()
	for _, r := range e.recorders {
		for _, wrong := range r.wrong() {
			e.Errorf("%s", wrong)
		}
	}
}

// name makes a name that nobody else has.
func (e *env) name(what string) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.named++
	return fmt.Sprintf("%s.%d.%s", e.prefix, e.named, what)
}

func (e *env) newLease() (l broker.Lease) {
	owner := e.name("owner")
	method(func() { l = e.port.Lease(owner) })
	e.mu.Lock()
	defer e.mu.Unlock()
	e.leases = append(e.leases, l)
	return l
}

func (e *env) record(what string) *recorder {
	r := &recorder{env: e, name: what, changed: make(chan struct{})}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.recorders = append(e.recorders, r)
	return r
}

// try does a request and waits for its answer. False: it did not come in time.
func (e *env) try(l broker.Lease, r broker.Request) (broker.Result, bool) {
	answer := make(chan broker.Result, 2) // room for an answer that must not come
	method(func() { l.Do(r, func(r broker.Result) { answer <- r }) })
	late := time.NewTimer(e.patience)
	defer late.Stop()
	select {
	case r := <-answer:
		return r, true
	case <-late.C:
		return broker.Result{}, false
	}
}

// do is try, and fails the case when there is no answer.
func (e *env) do(r broker.Request) broker.Result {
	e.Helper()
	result, ok := e.try(e.lease, r)
	if !ok {
		e.Fatalf("rule 17: waited %v for the answer to %+v", e.patience, r)
	}
	return result
}

// must is do of what must succeed.
func (e *env) must(r broker.Request) broker.QueueInfo {
	e.Helper()
	result := e.do(r)
	if result.Err != nil {
		e.Fatalf("%+v: %v", r, result.Err)
	}
	return result.Queue
}

// fails is do of what must fail so.
func (e *env) fails(r broker.Request, want error) {
	e.Helper()
	e.isError(fmt.Sprintf("%+v", r), e.do(r).Err, want)
}

// isError checks that an error is of a kind of the port's; nil is a kind, too.
func (e *env) isError(what string, got, want error) {
	e.Helper()
	if want == nil && got != nil || !errors.Is(got, want) {
		e.Errorf("%s: error %v, want %v", what, got, want)
	}
}

// queue declares a queue of its own name.
func (e *env) queue(o broker.QueueOptions) string {
	e.Helper()
	name := e.name("queue")
	e.willDelete(name)
	if !e.h.Offer().Queues && o == (broker.QueueOptions{}) {
		o.Type = broker.Stream
		e.instead = append(e.instead, name)
	}
	e.must(broker.DeclareQueue{Name: name, QueueOptions: o})
	return name
}

func (e *env) willDelete(queue string) { e.queues = append(e.queues, queue) }

func (e *env) exchange(kind broker.ExchangeKind) string {
	e.Helper()
	name := e.name("exchange")
	e.exchanges = append(e.exchanges, name)
	e.must(broker.DeclareExchange{Name: name, Kind: kind})
	return name
}

// eventually does round trips until one says yes: for what a broker comes to on its own, such as noticing that a session is gone.
func (e *env) eventually(what string, yes func() bool) {
	e.Helper()
	for deadline := time.Now().Add(e.patience); !yes(); {
		if time.Now().After(deadline) {
			e.Fatalf("waited %v until %s", e.patience, what)
		}
	}
}

// consumers waits until the queue has so many. A stream's cannot be seen.
func (e *env) consumers(queue string, n int) {
	e.Helper()
	if slices.Contains(e.instead, queue) {
		return
	}
	e.eventually(fmt.Sprintf("queue %q has %d consumers", queue, n), func() bool {
		return e.must(broker.InspectQueue{Name: queue}).Consumers == n
	})
}

// ready waits until the queue has so many records ready.
func (e *env) ready(queue string, n int) {
	e.Helper()
	e.eventually(fmt.Sprintf("queue %q has %d ready", queue, n), func() bool {
		return e.must(broker.InspectQueue{Name: queue}).Ready == n
	})
}

// provoke is for the harness's means.
func (e *env) provoke(what string, err error) {
	e.Helper()
	if err != nil {
		e.Fatalf("the harness cannot %s: %v", what, err)
	}
}

// block turns the alarm on, and gives what turns it off, once.
func (e *env) block() (off func()) {
	e.Helper()
	e.provoke("block", e.h.Block(true))
	return sync.OnceFunc(func() { e.provoke("unblock", e.h.Block(false)) })
}

// freeze freezes the broker, and gives what thaws it, once.
func (e *env) freeze() (thaw func()) {
	e.Helper()
	e.provoke("freeze", e.h.Freeze())
	return sync.OnceFunc(func() { e.provoke("thaw", e.h.Thaw()) })
}
