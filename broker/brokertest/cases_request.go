package brokertest

import (
	"errors"
	"fmt"
	"sync"

	"github.com/d2e2d648/weir/broker"
)

var requestCases = []Case{
	{"probe", []int{17}, func(e *env) { e.must(broker.Probe{}) }},
	{"requests are carried out in order", []int{17}, requestsInOrder},
	{"done is called exactly once", []int{17}, doneOnce},
	{"done is called exactly once through a cut", []int{17}, doneOnceThroughCut},
	{"done is called at most once after abort", []int{5, 17}, doneAtMostOnce},
}

// answers keeps what came of requests, by their number. It is safe for calls at the same time, and notes them.
type answers struct {
	mu      sync.Mutex
	order   []int
	results map[int][]error
}

func (a *answers) done(i int) func(broker.Result) {
	return func(r broker.Result) {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.order = append(a.order, i)
		if a.results == nil {
			a.results = map[int][]error{}
		}
		a.results[i] = append(a.results[i], r.Err)
	}
}

// Each request needs what the one before it did, and none waits.
func requestsInOrder(e *env) {
	a, q, x := &answers{}, e.name("queue"), e.name("exchange")
	e.willDelete(q)
	e.exchanges = append(e.exchanges, x)
	steps := []broker.Request{
		broker.DeclareQueue{Name: q}, broker.DeclareExchange{Name: x, Kind: broker.Direct}, broker.BindQueue{Queue: q, Exchange: x, RoutingKey: "key"},
		broker.InspectQueue{Name: q}, broker.DeleteQueue{Name: q, IfUnused: true}, broker.DeleteExchange{Name: x, IfUnused: true},
	}
	const rounds = 5
	for i := range rounds * len(steps) {
		method(func() { e.lease.Do(steps[i%len(steps)], a.done(i)) })
	}
	e.must(broker.Probe{})
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := range rounds * len(steps) {
		if i >= len(a.order) || a.order[i] != i {
			e.Fatalf("rule 17: the answers came in the order %v", a.order)
		}
		e.isError(fmt.Sprintf("request %d", i), a.results[i][0], nil)
	}
}

func doneOnce(e *env) {
	a, missing := &answers{}, e.name("missing")
	const n = 40
	for i := range n {
		request := broker.Request(broker.Probe{})
		if i%2 == 1 {
			request = broker.InspectQueue{Name: missing}
		}
		method(func() { e.lease.Do(request, a.done(i)) })
	}
	e.must(broker.Probe{})
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := range n {
		if len(a.results[i]) != 1 || i%2 == 1 && !errors.Is(a.results[i][0], broker.ErrNotFound) {
			e.Errorf("rule 17: request %d: answers %v", i, a.results[i])
		}
	}
}

func doneOnceThroughCut(e *env) {
	a := &answers{}
	const n = 40
	for i := range n {
		method(func() { e.lease.Do(broker.Probe{}, a.done(i)) })
		if i == n/2 {
			e.provoke("cut", e.h.Cut())
		}
	}
	e.eventually("there are answers after the cut", func() bool { return e.do(broker.Probe{}).Err == nil })
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := range n {
		if len(a.results[i]) != 1 || a.results[i][0] != nil && !errors.Is(a.results[i][0], broker.ErrUnavailable) {
			e.Errorf("rule 17: request %d: answers %v", i, a.results[i])
		}
	}
}

func doneAtMostOnce(e *env) {
	a := &answers{}
	l := e.newLease()
	const n = 20
	for i := range n {
		method(func() { l.Do(broker.Probe{}, a.done(i)) })
		if i == n/2 {
			method(l.Abort)
		}
	}
	for range 3 {
		e.must(broker.Probe{})
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := range n {
		if len(a.results[i]) > 1 {
			e.Errorf("rule 17: request %d: answers %v", i, a.results[i])
		}
	}
}
