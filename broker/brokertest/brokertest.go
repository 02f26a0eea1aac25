// Package brokertest is the contract of package broker as a suite of cases that every port passes. Each case names the rules it holds,
// by their numbers in package broker's comment.
//
// A case waits for events, never for a time. That nothing more comes is shown by something that would have come later: a marker record
// behind it in the same queue, a request's answer, a session's Ended. Besides what a case asks, every session in it is watched all the
// time: serial sinks outside of methods, the first and the last event, tags, batches, prefetch, and that only what was published is
// confirmed, only what was asked answered (see recorder, publisher and consumer).
package brokertest

import (
	"slices"
	"testing"
	"time"

	"github.com/d2e2d648/weir/broker"
)

// Harness is a port under test and the means to provoke what a broker does rarely. All of it is needed: a case that cannot provoke
// what it is about fails. The suite calls it from one goroutine at a time.
type Harness interface {
	// Port is the port. The suite uses it for one case after the other and leaves nothing at the broker.
	Port() broker.Port
	// Patience is how long the suite waits for what must come, and the shortest time after which it calls a method blocked. Below the
	// heartbeat time-out: a session must survive a short freeze that a case makes.
	Patience() time.Duration
	// Offer is what the port has of what not every port has. Cases that need more do not run.
	Offer() Offer
	// Cut ends all the port's connections, as a broker does that closes them or a network that fails. Sessions may end after it returns.
	Cut() error
	// Block turns the broker's alarm (memory or disk) on or off, and returns when the broker has it.
	Block(on bool) error
	// Freeze stops the broker without closing a connection; Thaw lets it go on. Sessions may survive it or end with ErrUnavailable.
	Freeze() error
	Thaw() error
}

// T is what a case needs of *testing.T: a test of the suite itself gives it another.
type T interface {
	Helper()
	Logf(format string, args ...any)
	Errorf(format string, args ...any)
	// Fatalf ends the case's goroutine.
	Fatalf(format string, args ...any)
}

// Offer is what a port has of what not every port has.
type Offer struct {
	// Queues: queues and exchanges of all kinds, and that Blocked is told. A port without carries records of streams alone; there the cases of alsoOnStreams
	// use a stream that is read from its beginning where they would use a queue.
	Queues bool
	// Names: the stable names of rules 21 and 22. A port without must say so (ErrMisuse).
	Names bool
}

// Case is one case of the contract.
type Case struct {
	Name string
	// Rules are the numbers of the rules it holds. None: it holds what the documentation of the port's types says.
	Rules []int
	run   func(*env)
}

// Needs says whether the case is about a port with that offer.
func (c Case) Needs(o Offer) bool {
	switch {
	case isOf(c, nameCases), isOf(c, placeCases):
		return o.Names
	case isOf(c, nameless):
		return !o.Names
	}
	return o.Queues || isOf(c, streamCases) || slices.Contains(alsoOnStreams, c.Name)
}

func isOf(c Case, theme []Case) bool {
	return slices.ContainsFunc(theme, func(other Case) bool { return other.Name == c.Name })
}

// Run runs the case. It leaves nothing at the broker, also when it fails.
func (c Case) Run(t T, h Harness) {
	t.Helper()
	e := newEnv(t, h, c.Name)
	defer e.finish()
	c.run(e)
}

// Cases are all cases, in order of their themes.
func Cases() []Case {
	var all []Case
	for _, theme := range [][]Case{
		sessionCases, leaseCases, publishCases, refusalCases, alarmCases, consumeCases, inspectCases, settleCases, sharingCases, recordCases, requestCases,
		topologyCases, deleteCases, streamCases, nameCases, placeCases, nameless, faultCases,
	} {
		all = append(all, theme...)
	}
	return all
}

// Run runs the cases that are about the port as subtests.
func Run(t *testing.T, h Harness) {
	for _, c := range Cases() {
		if c.Needs(h.Offer()) {
			t.Run(c.Name, func(t *testing.T) { c.Run(t, h) })
		}
	}
}
