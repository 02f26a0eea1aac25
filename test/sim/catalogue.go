package sim

import "github.com/d2e2d648/weir/messages"

// part is an actor of an endpoint.
type part int

// The actors of an endpoint: its eight children, and their supervisor.
const (
	dataProducer part = iota
	dataConsumer
	statusProducer
	statusConsumer
	memberConsumer
	healthTicker
	metricsAggregator
	topology
	supervising
	parts
)

var children = [...]messages.Child{messages.DataProducer, messages.DataConsumer, messages.StatusProducer, messages.StatusConsumer, messages.MemberConsumer,
	messages.HealthTicker, messages.MetricsAggregator, messages.Topology}

// String gives the actor's name.
func (p part) String() string {
	if p == supervising {
		return supervisorName
	}
	return string(children[p])
}

func partOf(c messages.Child) part {
	for i, name := range children {
		if c == name {
			return part(i)
		}
	}
	return supervising
}

// phase is what an actor is at when a fault strikes it. What a phase means of each actor says the table phaseNames.
type phase int

// The phases of an actor.
const (
	opening phase = iota
	idle
	busy
	closing
	down
	phases
)

// phaseNames say what an actor is at. "": it is never at that.
var phaseNames = [parts][phases]string{
	dataProducer:      {"opening", "idle", "unconfirmed", "closing", "back-off"},
	dataConsumer:      {"opening", "idle", "uncommitted", "closing", "back-off"},
	statusProducer:    {"opening", "idle", "unconfirmed", "closing", "back-off"},
	statusConsumer:    {"opening", "listening", "reading history", "closing", "back-off"},
	memberConsumer:    {"opening", "listening", "reading history", "closing", "back-off"},
	healthTicker:      {"starting", "running", "", "closing", "back-off"}, // it has nothing under way, ever
	metricsAggregator: {"starting", "running", "", "closing", "back-off"},
	topology:          {"creating", "waiting", "creating again", "deleting", "back-off"},
	supervising:       {"opening", "running", "requests under way", "closing", "failed"},
}

// phaseSet is a set of phases.
type phaseSet uint8

const (
	none    phaseSet = 0
	open    phaseSet = 1<<idle | 1<<busy | 1<<closing // a session is open
	up      phaseSet = open | 1<<opening              // there is an incarnation
	always  phaseSet = up | 1<<down
	waiting phaseSet = 1<<busy | 1<<closing // something waits for the broker
)

// reach says which phases of which actors a fault can strike.
type reach [parts]phaseSet

func (s phaseSet) has(p phase) bool { return s&(1<<p) != 0 }

// FaultKind is a kind of fault.
type FaultKind int

// The kinds of faults.
const (
	// Of an actor's mailbox, see Kind.
	panicBefore FaultKind = iota
	panicWithin
	freeze
	stall
	goexit
	panicStopping
	// Of sessions.
	publisherCut
	consumerCut
	childCut
	allCut
	publisherHole
	consumerHole
	consumerForgotten
	// Of the broker.
	brokerSilent
	openingsHang
	requestsHang
	refused
	refusedLong
	limitReached
	revoked
	alarm
	slow
	// Of single events.
	confirmLost
	confirmTwice
	confirmOrder
	nacked
	deliveryLost
	recordsTwice
	// Of resources.
	queueDeleted
	streamDeleted
	exchangeDeleted
	statusDeleted
	lockDeleted
	// Of peers.
	poisonRecords
	poisonStatuses
	clockWrong
	// Of users and processes.
	slowReader
	burst
	withdrawn
	processKilled
	closedMidRun
	faultKinds
)

// catalogue says of each kind of fault what it is called and whom it can strike in which phase. Whatever is not in a reach cannot occur, for the reason that stands beside it.
var catalogue = [faultKinds]struct {
	name string
	reach
}{
	// No incarnation, no mailbox: so nothing strikes during a back-off. A supervisor that hangs or is slow is nobody's to replace: it waits for nothing, and runs no code of the user's.
	panicBefore: {"panic", mailboxes(up, up|1<<down)},
	panicWithin: {"panic, effects half out", mailboxes(up, up|1<<down)},
	goexit:      {"goexit", mailboxes(up, up|1<<down)},
	freeze:      {"hang", mailboxes(up, none)},
	stall:       {"stall, then stale messages", mailboxes(up, none)},
	// A supervisor is stopped by the program that owns it, which is the user's.
	panicStopping: {"panic in stopping", mailboxes(up, none)},

	// A data producer on a stream consumes the queue that locks its name. What is in back-off has nothing open. Ticker and aggregator never have, nor have topology actors sessions.
	publisherCut:  {"publisher cut", reach{dataProducer: up, statusProducer: up}},
	publisherHole: {"publisher's black hole", reach{dataProducer: up, statusProducer: up}},
	consumerCut:   {"consumer cut", reach{dataProducer: up, dataConsumer: up, statusConsumer: up, memberConsumer: up}},
	consumerHole:  {"consumer's black hole", reach{dataProducer: up, dataConsumer: up, statusConsumer: up, memberConsumer: up}},
	// The broker stops serving it and does not say so. One that has not been told that it is open will be.
	consumerForgotten: {"consumer forgotten", reach{dataConsumer: up, statusConsumer: up, memberConsumer: up}},
	childCut:          {"all of a child cut", ofPort(up)},
	allCut:            {"all cut", ofPort(up)},

	// Whoever is in back-off will meet it.
	brokerSilent: {"broker silent", ofPort(always)},
	openingsHang: {"openings hang", ofPort(always)},
	refused:      {"connections refused", ofPort(always)},
	refusedLong:  {"refused beyond the grace window", ofPort(always)},
	limitReached: {"limit reached", ofPort(always)},
	revoked:      {"credentials revoked", ofPort(always)},
	slow:         {"slow", ofPort(always)},
	requestsHang: {"requests hang", reach{topology: up}},                         // nobody else makes any
	alarm:        {"alarm", reach{dataProducer: always, statusProducer: always}}, // it concerns publishers

	// Without anything unconfirmed there is no confirm.
	confirmLost:  {"confirm lost", reach{dataProducer: waiting, statusProducer: waiting}},
	confirmTwice: {"confirm twice", reach{dataProducer: waiting, statusProducer: waiting}},
	confirmOrder: {"confirms out of order", reach{dataProducer: waiting, statusProducer: waiting}},
	nacked:       {"negative acknowledgement", reach{dataProducer: waiting, statusProducer: waiting}},
	deliveryLost: {"delivery lost", reach{dataConsumer: open}}, // statuses are lost by nothing that ends no session: their peers repeat none
	recordsTwice: {"records twice", reach{dataConsumer: always}},

	queueDeleted:    {"queue deleted", reach{dataProducer: always, dataConsumer: always, topology: always}},
	streamDeleted:   {"stream deleted", reach{dataProducer: always, dataConsumer: always, topology: always}},
	exchangeDeleted: {"exchange deleted", reach{dataProducer: always, topology: always}}, // readers know queues only
	statusDeleted:   {"status stream deleted", reach{statusProducer: always, statusConsumer: always, memberConsumer: always, topology: always}},
	lockDeleted:     {"name's lock deleted", reach{dataProducer: always}},

	poisonRecords:  {"poison records", reach{dataConsumer: always}},
	poisonStatuses: {"poison statuses", reach{statusConsumer: always, memberConsumer: always}},
	clockWrong:     {"peer's clock wrong by hours", reach{statusConsumer: always, memberConsumer: always}},

	slowReader:    {"slow reader", reach{dataConsumer: always &^ (1 << closing)}}, // its demands are refused when it closes
	burst:         {"burst", reach{dataProducer: always &^ (1 << closing)}},       // writes are
	withdrawn:     {"write withdrawn", reach{dataProducer: always}},
	processKilled: {"process killed", everybody(always)},
	closedMidRun:  {"closed in mid-run", everybody(always &^ (1 << closing))}, // it is closing already
}

// mailboxes is the reach of a fault at children's mailboxes and at the supervisor's.
func mailboxes(child, supervisor phaseSet) reach {
	r := everybody(child)
	r[supervising] = supervisor
	return r
}

func everybody(s phaseSet) (r reach) {
	for p := range r {
		r[p] = s
		if phaseNames[p][busy] == "" {
			r[p] &^= 1 << busy
		}
	}
	return r
}

// ofPort are those that have something to do with the broker.
func ofPort(s phaseSet) reach {
	return reach{dataProducer: s, dataConsumer: s, statusProducer: s, statusConsumer: s, memberConsumer: s, topology: s}
}

// String gives the kind's name.
func (k FaultKind) String() string { return catalogue[k].name }
