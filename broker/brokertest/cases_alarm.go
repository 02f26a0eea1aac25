package brokertest

import (
	"github.com/d2e2d648/weir/broker"
)

var alarmCases = []Case{
	{"blocked and unblocked", []int{10}, blockedAndUnblocked},
	{"blocked at the opening", []int{10}, blockedAtOpening},
	{"close while blocked sends first", []int{10, 15}, closeWhileBlocked},
}

// awaitBlocked waits for the n-th Blocked and checks what it says.
func (p *publisher) awaitBlocked(n int, on bool) {
	p.env.Helper()
	var last *broker.Blocked
	p.await("Blocked", func() bool {
		seen := 0
		for _, e := range p.events {
			if e, ok := e.(*broker.Blocked); ok {
				seen, last = seen+1, e
			}
		}
		return seen >= n
	})
	if last.On != on {
		p.env.Errorf("rule 10: %s: Blocked says %v, want %v", p.name, last.On, on)
	}
}

// trigger publishes one record and waits for Blocked: brokers tell of the alarm only with the next record, and may still confirm that.
// What is published from now on is held.
func (p *publisher) trigger(blocked int) {
	p.env.Helper()
	p.send("trigger")
	p.awaitBlocked(blocked, true)
}

// held checks that none of the records was confirmed, to be asked while the alarm is on.
func (p *publisher) held(first, last uint64) {
	p.env.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := p.count(first, last, open); n != int(last-first+1) {
		p.env.Errorf("rule 10: %d of the records %d-%d are open while blocked", n, first, last)
	}
}

func blockedAndUnblocked(e *env) {
	q := e.queue(broker.QueueOptions{})
	p := e.to(q)
	p.put("before")
	off := e.block()
	defer off()
	p.trigger(1)
	p.send(numbers(1, 5)...)
	p.send(numbers(6, 5)...)
	e.must(broker.Probe{}) // time for confirms that must not come
	p.held(3, 12)
	off()
	p.awaitBlocked(2, false)
	p.awaitAll(confirmed, 2, 12)
	e.of(q).takes(append([]string{"before", "trigger"}, numbers(1, 10)...)...)
}

func blockedAtOpening(e *env) {
	q := e.queue(broker.QueueOptions{})
	e.to(q).put("before")
	off := e.block()
	defer off()
	p := e.to(q)
	p.trigger(1)
	p.send("held")
	e.must(broker.Probe{})
	p.held(2, 2)
	off()
	p.awaitBlocked(2, false)
	p.awaitAll(confirmed, 1, 2)
	e.of(q).takes("before", "trigger", "held")
}

func closeWhileBlocked(e *env) {
	q := e.queue(broker.QueueOptions{})
	p := e.to(q)
	p.put("before")
	off := e.block()
	defer off()
	p.trigger(1)
	p.send(numbers(1, 5)...)
	method(p.port.Close)
	off()
	e.isError("Ended after Close", p.ended(), nil)
	e.of(q).takes(append([]string{"before", "trigger"}, numbers(1, 5)...)...)
}
