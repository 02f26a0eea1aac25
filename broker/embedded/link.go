package embedded

import (
	"slices"
	"time"

	"github.com/d2e2d648/weir/broker"
)

// link is the way between one client and the broker, there and back. Both directions are first-in-first-out. A link is used once.
// What travels on it and what that does is its station's.
type link struct {
	b       *Broker
	lease   *lease
	place   int // in the broker's list
	station station

	up             fifo[packet]
	down           fifo[arrival]
	upDue, downDue time.Duration // when the last of the direction arrives
	onUp, onDown   func()        // bound once, so that a packet allocates no function

	frozen           bool // nothing passes, either way
	freezes          int  // tells one freeze from the next: a heartbeat's time-out is of one
	upHeld, downHeld int  // arrivals that the freeze holds

	deaf    bool // nothing new is told: the client hung up, or its end is on the way
	hung    bool // the client hung up; the broker learns of it behind what was sent before
	hanging bool // a fault: the broker hears nothing but the hanging up
	gone    bool // the broker has forgotten it, or never knew it
}

// station is what a link connects: a session's two ends, or a lease's requests. All on the loop.
type station interface {
	receive(packet)    // at the broker
	handOver(arrival)  // at the client
	tellEnd(err error) // the last that the client is told
	forgotten()        // the broker let go of it
}

// packet is what goes to the broker.
type packet struct {
	kind    packetKind
	flag    bool // multiple of an ack, requeue of a reject
	tag     uint64
	batch   broker.Batch
	request *request
}

type packetKind uint8

const (
	hangUp packetKind = iota // the link's own
	openSession
	closeSession
	publish
	ack
	reject
	inspect
	carryOut
)

// arrival is what comes to the client: an event, or an answer to a request.
type arrival struct {
	event   broker.Event
	release int // how many records of the publisher's window it gives back
	request *request
	result  broker.Result
}

// connect makes the link known to the broker. On the loop, as all that follows.
func (l *link) connect(s station) {
	l.station = s
	l.onUp, l.onDown = l.arriveUp, l.arriveDown
	l.b.links.add(l)
	l.lease.links = append(l.lease.links, l)
	if l.b.faults.frozen {
		l.freeze()
	}
}

// send puts a packet on its way to the broker.
func (l *link) send(p packet) {
	if l.gone {
		return
	}
	l.upDue = max(l.upDue, l.b.loop.Now()+l.b.latency())
	l.up.push(p)
	l.b.loop.At(l.upDue, l.onUp)
}

func (l *link) arriveUp() {
	switch {
	case l.up.n == 0: // lost on its way
	case l.frozen:
		l.upHeld++
	default:
		if p := l.up.pop(); p.kind == hangUp {
			l.forget()
		} else if !l.hanging {
			l.station.receive(p)
		}
	}
}

// nextDue is when something told now would arrive. It draws a latency.
func (l *link) nextDue() time.Duration { return max(l.downDue, l.b.loop.Now()+l.b.latency()) }

func (l *link) tell(a arrival) { l.tellAt(l.nextDue(), a) }

func (l *link) tellAt(due time.Duration, a arrival) {
	if l.deaf {
		return
	}
	l.downDue = due
	l.down.push(a)
	l.b.loop.At(due, l.onDown)
}

func (l *link) arriveDown() {
	switch {
	case l.down.n == 0:
	case l.frozen:
		l.downHeld++
	default:
		l.station.handOver(l.down.pop())
	}
}

// end is the broker's doing: what is on its way to it is lost, what is on its way to the client arrives.
func (l *link) end(err error) {
	if !l.deaf {
		l.station.tellEnd(err)
		l.deaf = true
	}
	l.forget()
}

// cut is the network's doing, the same but for a freeze: what that held is lost.
func (l *link) cut(err error) {
	if l.frozen {
		l.dropHeld(err)
		l.thaw()
	}
	l.end(err)
}

// dropHeld loses what comes to the client; but every request has its answer (rule 17). Where the broker had ended the session meanwhile, all that the client
// sees of it is the loss (rule 3).
func (l *link) dropHeld(err error) {
	kept := fifo[arrival]{}
	for ; l.down.n > 0; l.down.pop() {
		a := l.down.front()
		if _, end := a.event.(*broker.Ended); end {
			kept.push(arrival{event: &broker.Ended{Err: err}})
		} else if a.request != nil {
			kept.push(*a)
		}
	}
	l.down = kept
}

// hangUp is the client's doing. What it sent before may still count, what is on its way to it may still arrive.
func (l *link) hangUp() {
	l.deaf = true
	if !l.hung {
		l.hung = true
		l.send(packet{kind: hangUp})
	}
}

func (l *link) forget() {
	if l.gone {
		return
	}
	l.gone = true
	l.up.clear()
	l.b.links.remove(l)
	l.lease.links = without(l.lease.links, l)
	l.station.forgotten()
}

// freeze makes the link silent until it thaws, or until the heartbeat ends it.
func (l *link) freeze() {
	if l.frozen || l.gone {
		return
	}
	l.frozen = true
	l.freezes++
	freeze := l.freezes
	l.b.loop.At(l.b.loop.Now()+l.b.heartbeat, func() {
		if l.frozen && l.freezes == freeze {
			l.cut(unavailable(l.lease.owner, "no heartbeat"))
		}
	})
}

func (l *link) thaw() {
	if !l.frozen {
		return
	}
	l.frozen = false
	for range l.upHeld {
		l.b.loop.At(l.b.loop.Now(), l.onUp)
	}
	for range l.downHeld {
		l.b.loop.At(l.b.loop.Now(), l.onDown)
	}
	l.upHeld, l.downHeld = 0, 0
}

// linksOf are the links whose owner begins with the prefix: a copy, for what is done to them changes the broker's own.
func (b *Broker) linksOf(prefix string) []*link {
	return slices.DeleteFunc(slices.Clone(b.links.list()), func(l *link) bool { return !l.lease.owned(prefix) })
}
