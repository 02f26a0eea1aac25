package embedded

import (
	"slices"
	"time"

	"github.com/d2e2d648/weir/broker"
)

// faults are the ones that last, or wait for their occasion.
type faults struct {
	refuseUntil time.Duration
	hangOpens   int
	blocked     bool
	frozen      bool
	delay       time.Duration

	loseConfirms, duplicateConfirms, reorderConfirms, duplicateDeliveries int
}

// Cut loses every connection: sessions end with ErrUnavailable, requests under way fail with it. What was on its way to the broker is
// lost; what was on its way to a client arrives first.
func (b *Broker) Cut() { b.CutOwner("") }

// CutOwner is Cut for the leases whose owner begins with the prefix.
func (b *Broker) CutOwner(prefix string) {
	for _, l := range b.linksOf(prefix) {
		l.cut(unavailable(l.lease.owner, "it was lost"))
	}
}

// CutPublisher cuts the i-th open publisher, in order of opening and modulo their number. It says whether there was one.
func (b *Broker) CutPublisher(i int) bool { return cutOne(pick(b.publishers.list(), i)) }

// CutConsumer is CutPublisher for consumers.
func (b *Broker) CutConsumer(i int) bool { return cutOne(pick(b.consumers.list(), i)) }

func cutOne[S interface{ wire() *link }](s S, ok bool) bool {
	if ok {
		l := s.wire()
		l.cut(unavailable(l.lease.owner, "it was lost"))
	}
	return ok
}

func (l *link) wire() *link { return l }

func pick[S any](all []S, i int) (s S, ok bool) {
	if n := len(all); n > 0 {
		return all[(i%n+n)%n], true
	}
	return s, false
}

// KillOwner is the death of the process that holds the leases whose owner begins with the prefix: nothing is told any more, not even what
// was on its way. The broker learns of it behind what had been sent.
func (b *Broker) KillOwner(prefix string) {
	for _, l := range slices.Clone(b.leases.list()) {
		if !l.owned(prefix) {
			continue
		}
		for _, k := range l.links {
			k.down.clear()
		}
		l.abort()
	}
}

// ForgetOwner takes the consumers of the leases whose owner begins with the prefix out of their queues and does not tell them. What they had unsettled is
// delivered again, to others. It says how many there were.
func (b *Broker) ForgetOwner(prefix string) (n int) {
	for _, c := range b.consumers.list() {
		if c.lease.owned(prefix) {
			n++
			c.queue.consumers = without(c.queue.consumers, c)
			c.queue.giveAllBack(&c.unsettled)
			c.queue.wake()
		}
	}
	return n
}

// Refuse makes openings and requests fail with ErrUnavailable until that time of the loop. What is open stays.
func (b *Broker) Refuse(until time.Duration) { b.faults.refuseUntil = until }

// RefuseFor is Refuse until d from now; 0 ends it.
func (b *Broker) RefuseFor(d time.Duration) { b.Refuse(b.loop.Now() + d) }

// HangOpens leaves the next n openings without an answer, until they are cut or aborted.
func (b *Broker) HangOpens(n int) { b.faults.hangOpens = n }

// Block turns the alarm on or off. While it is on, publishers' records are held and not confirmed, and a Close waits behind them.
func (b *Broker) Block(on bool) {
	if b.faults.blocked == on {
		return
	}
	b.faults.blocked = on
	for _, p := range slices.Clone(b.publishers.list()) {
		p.say(&broker.Blocked{On: on})
		if !on {
			p.release()
		}
	}
}

// Delay makes every packet from now on take so much longer; 0 ends it.
func (b *Broker) Delay(d time.Duration) { b.faults.delay = d }

// LoseConfirms loses the next n confirms. Their records are in their queues.
func (b *Broker) LoseConfirms(n int) { b.faults.loseConfirms = n }

// DuplicateConfirms tells the next n confirms twice.
func (b *Broker) DuplicateConfirms(n int) { b.faults.duplicateConfirms = n }

// ReorderConfirms tells the second half of the next n confirms first; a confirm of one record comes a millisecond late.
func (b *Broker) ReorderConfirms(n int) { b.faults.reorderConfirms = n }

// DuplicateDeliveries lets queues, not streams, take the next n records twice: each comes again without being marked Redelivered.
func (b *Broker) DuplicateDeliveries(n int) { b.faults.duplicateDeliveries = n }

// Freeze makes the broker silent: nothing passes, either way, on what is open and what will be opened. A session or request that is
// frozen for a heartbeat (SetHeartbeat) ends with ErrUnavailable, and what the freeze held of it is lost. Thaw lets the others go on.
func (b *Broker) Freeze() {
	b.faults.frozen = true
	for _, l := range b.links.list() {
		l.freeze()
	}
}

// FreezePublisher freezes the i-th open publisher as CutPublisher picks it: a black hole on its way. The broker does not notice.
func (b *Broker) FreezePublisher(i int) bool {
	p, ok := pick(b.publishers.list(), i)
	if ok {
		p.freeze()
	}
	return ok
}

// FreezeConsumer is FreezePublisher for consumers.
func (b *Broker) FreezeConsumer(i int) bool {
	c, ok := pick(b.consumers.list(), i)
	if ok {
		c.freeze()
	}
	return ok
}

// Thaw ends every freeze. What was held goes on, in order.
func (b *Broker) Thaw() {
	b.faults.frozen = false
	for _, l := range b.links.list() {
		l.thaw()
	}
}

// Mend ends every fault that lasts or waits for its occasion. What was lost stays lost, what hangs stays so.
func (b *Broker) Mend() {
	b.Block(false)
	b.Thaw()
	b.faults = faults{}
}
