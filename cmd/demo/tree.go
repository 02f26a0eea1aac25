package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/d2e2d648/weir"
	"github.com/d2e2d648/weir/actors"
	"github.com/d2e2d648/weir/messages"
	"github.com/d2e2d648/weir/supervisor"
)

// tree is the supervision tree of each endpoint, as its events tell it. Safe for concurrent use.
type tree struct {
	mu        sync.Mutex
	endpoints []*endpointNode // in the order in which they appeared
	tallies   map[messages.Child]*tally
	abandoned int
	failure   error // of the first channel that failed
	onFailure func()
}

// endpointNode is one supervisor.
type endpointNode struct {
	name     string
	state    messages.State
	children []*childNode
}

// childNode is one part of an endpoint.
type childNode struct {
	child    messages.Child
	epoch    uint64
	state    childState
	failures int
	used     time.Duration // of the grace window; 0 while it is closed
	last     error         // its last failure
	// lastFailed is when that was; failed is when the first was that it has not recovered from.
	lastFailed, failed time.Time
}

type childState string

const (
	childStarting childState = "starting"
	childReady    childState = "ready"
	childBackOff  childState = "back-off"
	childEnded    childState = "ended"
)

// other is the cause of failures that --crash did not ask for.
const other crashKind = "other"

// tally is what happened to the actors of one name, over all endpoints.
type tally struct {
	failures int
	causes   map[crashKind]int
	recovery histogram // from a failure until ready again
}

func newTree(onFailure func()) *tree {
	return &tree{tallies: map[messages.Child]*tally{}, onFailure: onFailure}
}

func (t *tree) take(event weir.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := t.endpoint(event.Of().Name)
	switch e := event.(type) {
	case *messages.StateChanged:
		n.become(e.Is)
	case *messages.ChildStarted:
		k := n.find(e.Child)
		k.epoch, k.state = e.Epoch, childStarting
	case *messages.ChildReady:
		t.ready(n, e)
	case *messages.ChildFailed:
		t.childFailed(n, e)
	case *messages.GraceClosed:
		if e.Child != messages.Topology { // it has ended, and is not there any more
			n.find(e.Child).used = 0
		}
	case *messages.Abandoned:
		t.abandoned++
	case *messages.ChannelFailed:
		if t.failure == nil {
			t.failure = e.Err
			t.onFailure()
		}
	}
}

func (t *tree) ready(n *endpointNode, e *messages.ChildReady) {
	if e.Child == messages.Topology { // it has done its work and ends
		n.children = slices.DeleteFunc(n.children, func(k *childNode) bool { return k.child == e.Child })
		return
	}
	k := n.find(e.Child)
	k.state = childReady
	if !k.failed.IsZero() {
		t.tally(e.Child).recovery.add(e.At.Sub(k.failed))
		k.failed = time.Time{}
	}
}

func (t *tree) childFailed(n *endpointNode, e *messages.ChildFailed) {
	k := n.find(e.Child)
	k.state, k.last, k.used, k.lastFailed = childBackOff, e.Err, e.Used, e.At
	k.failures++
	if k.failed.IsZero() {
		k.failed = e.At
	}
	tally := t.tally(e.Child)
	tally.failures++
	tally.causes[causeOf(e)]++
}

// causeOf says in which way an incarnation ended.
func causeOf(e *messages.ChildFailed) crashKind {
	switch {
	case errors.Is(e.Err, supervisor.ErrHung):
		return crashHang
	case errors.Is(e.Err, actors.ErrGoexit):
		return crashGoexit
	case errors.Is(e.Err, errInjected):
		return crashError
	case e.Stack != nil:
		return crashPanic
	}
	return other
}

func (t *tree) tally(child messages.Child) *tally {
	if t.tallies[child] == nil {
		t.tallies[child] = &tally{causes: map[crashKind]int{}}
	}
	return t.tallies[child]
}

func (t *tree) endpoint(name string) *endpointNode {
	for _, n := range t.endpoints {
		if n.name == name {
			return n
		}
	}
	n := &endpointNode{name: name}
	t.endpoints = append(t.endpoints, n)
	return n
}

// become notes the supervisor's state. When it ends, all its children do.
func (n *endpointNode) become(is messages.State) {
	n.state = is
	if is != messages.ClosedNow && is != messages.Failed {
		return
	}
	n.children = slices.DeleteFunc(n.children, func(k *childNode) bool { return k.child == messages.Topology })
	for _, k := range n.children {
		k.state = childEnded
	}
}

func (n *endpointNode) find(child messages.Child) *childNode {
	for _, k := range n.children {
		if k.child == child {
			return k
		}
	}
	k := &childNode{child: child}
	n.children = append(n.children, k)
	return k
}

// snapshot copies the tree, for a screen.
func (t *tree) snapshot() []endpointNode {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := make([]endpointNode, len(t.endpoints))
	for i, n := range t.endpoints {
		all[i] = endpointNode{name: n.name, state: n.state}
		for _, k := range n.children {
			child := *k
			all[i].children = append(all[i].children, &child)
		}
	}
	return all
}

// restarts counts failures, by actor.
func (t *tree) restarts() map[messages.Child]int {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := map[messages.Child]int{}
	for child, tally := range t.tallies {
		all[child] = tally.failures
	}
	return all
}

// failed says why a channel has failed; nil while none has.
func (t *tree) failed() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.failure
}

// counts copies the tallies, for a report.
func (t *tree) counts() (tallies map[messages.Child]tally, abandoned int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	tallies = map[messages.Child]tally{}
	for child, one := range t.tallies {
		c := *one
		c.causes = maps.Clone(one.causes)
		tallies[child] = c
	}
	return tallies, t.abandoned
}

// healed says whether every part of every endpoint is ready, or every one of that name only.
func (t *tree) healed(only messages.Child) bool { return t.notReady(only) == 0 }

// notReady counts the parts that are not.
func (t *tree) notReady(only messages.Child) (count int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, n := range t.endpoints {
		for _, k := range n.children {
			if k.state != childReady && (only == "" || k.child == only) {
				count++
			}
		}
	}
	return count
}

// ailing names the parts that are not ready.
func (t *tree) ailing() (text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, n := range t.endpoints {
		for _, k := range n.children {
			if k.state != childReady {
				text += fmt.Sprintf("; %s of %s: %s", k.child, n.name, k.state)
			}
		}
	}
	return text
}

// seen says whether each strike has been told as a failure, and each hung goroutine as abandoned.
func (t *tree) seen(strikes map[messages.Child]map[crashKind]int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	hung := 0
	for child, kinds := range strikes {
		for kind, n := range kinds {
			if n > 0 && t.tally(child).causes[kind] < n {
				return false
			}
		}
		hung += kinds[crashHang]
	}
	return t.abandoned >= hung
}
