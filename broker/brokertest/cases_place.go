package brokertest

import (
	"time"

	"github.com/d2e2d648/weir/broker"
)

// placeCases are about where in a stream a session is: of ports that have stable names.
var placeCases = []Case{
	{"opened says where a session on a stream begins", []int{22}, opensAt},
	{"opened says where a session on an empty stream begins", []int{22}, opensAtEmpty},
	{"opened says where a named session begins", []int{22}, opensAtStored},
	{"a session begins exactly where opened says", []int{22}, beginsExactly},
	{"a session ignores what is stored", []int{22}, ignoresStored},
	{"who ignores what is stored stores all the same", []int{16, 22}, ignoresAndStores},

	{"a session marks where it begins", []int{22}, marks},
	{"a session marks only where nothing is stored", []int{22}, marksNothing},
	{"a mark goes with its stream", []int{22}, markGoes},

	{"inspected says what lies ahead in a stream", []int{20}, inspectAhead},
	{"nothing lies ahead of a session at the end of a stream", []int{20}, inspectAtEnd},
	{"what a stream's consumers store does not lie ahead", []int{20}, inspectBehindStored},
	{"nothing ahead means that all was delivered", []int{20}, inspectWhilePublishing},
}

// opens opens a session on a stream and gives where it begins.
func (e *env) opens(c broker.ConsumerConfig) (s *consumer, next uint64) {
	e.Helper()
	s = e.openConsumer(e.lease, c)
	return s, expectNext[*broker.Opened](s.recorder).Next
}

func (c *consumer) beginsAt(got, want uint64) {
	c.env.Helper()
	if got != want {
		c.env.Errorf("rule 22: %s: begins at offset %d, want %d", c.name, got, want)
	}
}

// offsetsOf are ways to begin, with those at which sessions do in a stream of 15 records, and in an empty one.
var offsetsOf = []struct {
	from    broker.StreamOffset
	want    uint64
	roughly bool // the last chunk may hold earlier ones
}{
	{broker.StreamOffset{From: broker.FromFirst}, 0, false},
	{broker.StreamOffset{From: broker.FromNext}, 15, false},
	{broker.StreamOffset{From: broker.FromOffset, Offset: 7}, 7, false},
	{broker.StreamOffset{From: broker.FromOffset, Offset: 15}, 15, false},
	{broker.StreamOffset{From: broker.FromOffset, Offset: 1000}, 15, false}, // there is no such place
	{broker.StreamOffset{From: broker.FromTime, Time: time.Unix(1e9, 0)}, 0, false},
	{broker.StreamOffset{From: broker.FromTime, Time: time.Unix(1e10, 0)}, 15, true},
	{broker.StreamOffset{From: broker.FromLast}, 14, true},
}

func opensAt(e *env) {
	q := e.stream()
	p := e.to(q)
	for i := range 3 {
		p.put(numbers(5*i, 5)...)
	}
	var all []*consumer
	var at []uint64
	for _, test := range offsetsOf {
		c := e.openConsumer(e.lease, broker.ConsumerConfig{Queue: q, Stream: &test.from})
		o := expectNext[*broker.Opened](c.recorder)
		if !test.roughly || o.Next > test.want {
			c.beginsAt(o.Next, test.want)
		}
		if o.End != 15 {
			e.Errorf("rule 22: %s: the stream ends at offset %d, want 15", c.name, o.End)
		}
		all, at = append(all, c), append(at, o.Next)
	}
	p.put("marker")
	for i, c := range all {
		c.beginsAt(c.take(1)[0].Offset, at[i])
	}
}

func opensAtEmpty(e *env) {
	q := e.stream()
	var all []*consumer
	for _, test := range offsetsOf {
		c, next := e.opens(broker.ConsumerConfig{Queue: q, Stream: &test.from})
		c.beginsAt(next, 0)
		all = append(all, c)
	}
	e.to(q).put("record 0")
	for _, c := range all {
		c.offsets(c.takes("record 0"), 0)
	}
}

// named is a session that begins at the first record where nothing is stored.
func named(stream string) broker.ConsumerConfig {
	return broker.ConsumerConfig{Queue: stream, Stream: &broker.StreamOffset{}, Name: "name"}
}

// The broker may keep something of its own in the stream where an offset is stored, so the marker's may be greater.
func opensAtStored(e *env) {
	q := e.stream()
	p := e.to(q)
	p.put(numbers(0, 10)...)
	stored := 0
	for _, n := range []int{6, 4} {
		c, next := e.opens(named(q))
		c.beginsAt(next, uint64(stored))
		c.takes(numbers(stored, 10-stored)...)
		c.ack(uint64(n), true)
		c.close()
		stored += n
	}
	c, next := e.opens(named(q))
	c.beginsAt(next, 10)
	p.put("marker")
	if at := c.takes("marker")[0].Offset; at < next {
		e.Errorf("rule 22: %s: the first record is at offset %d, and it begins at %d", c.name, at, next)
	}
}

// Something is published all the time.
func beginsExactly(e *env) {
	q := e.stream()
	p := e.publisher(broker.PublisherConfig{RoutingKey: q, Window: 1000})
	for range 30 {
		before := uint64(p.isNow(confirmed))
		published := p.send(numbers(0, 3)...)
		c, next := e.opens(broker.ConsumerConfig{Queue: q, Stream: &broker.StreamOffset{From: broker.FromNext}})
		p.put(numbers(0, 3)...)
		if next < before || next > published {
			e.Errorf("rule 22: %s: begins at offset %d: %d were confirmed, %d published", c.name, next, before, published)
		}
		c.offsets(c.take(3), next)
		method(c.port.Abort)
	}
}

// ignoring is named, and does not mind what is stored.
func ignoring(stream string, from broker.OffsetKind) broker.ConsumerConfig {
	return broker.ConsumerConfig{Queue: stream, Stream: &broker.StreamOffset{From: from}, Name: "name", IgnoreStored: true}
}

func ignoresStored(e *env) {
	q := e.stream()
	e.to(q).put(numbers(0, 10)...)
	c := e.consumerNamed(q, "name")
	c.takes(numbers(0, 10)...)
	c.ack(8, true)
	c.close()
	for from, want := range map[broker.OffsetKind]uint64{broker.FromFirst: 0, broker.FromNext: 10} {
		c, next := e.opens(ignoring(q, from))
		c.beginsAt(next, want)
		c.offsets(c.takes(numbers(int(want), 10-int(want))...), want)
		c.close()
	}
	e.consumerNamed(q, "name").takes(numbers(8, 2)...)
	harmless := e.consumer(broker.ConsumerConfig{Queue: q, Stream: &broker.StreamOffset{}, IgnoreStored: true})
	harmless.takes(numbers(0, 10)...)
}

// What is stored goes back, too.
func ignoresAndStores(e *env) {
	q := e.stream()
	e.to(q).put(numbers(0, 10)...)
	c := e.consumerNamed(q, "name")
	c.takes(numbers(0, 10)...)
	c.ack(8, true)
	c.close()
	for _, n := range []int{3, 1, 5} {
		c := e.consumer(ignoring(q, broker.FromFirst))
		c.takes(numbers(0, 10)...)
		c.ack(uint64(n), true)
		c.close()
		c, next := e.opens(named(q))
		c.beginsAt(next, uint64(n))
		c.takes(numbers(n, 10-n)...)
		method(c.port.Abort)
	}
}

// stores opens a session and checks what is stored then. It is aborted. The broker may keep a mark in the stream, so a session may begin one later.
func (e *env) stores(c broker.ConsumerConfig, next, stored uint64) {
	e.Helper()
	s := e.openConsumer(e.lease, c)
	o := expectNext[*broker.Opened](s.recorder)
	if o.Next != next && o.Next != next+1 || o.Stored != stored {
		e.Errorf("rule 22: %s: begins at offset %d, and %d is behind what is stored; want %d, %d", s.name, o.Next, o.Stored, next, stored)
	}
	method(s.port.Abort)
}

// marking is named, begins at the end where nothing is stored, and stores that.
func marking(stream string) broker.ConsumerConfig {
	return broker.ConsumerConfig{Queue: stream, Stream: &broker.StreamOffset{From: broker.FromNext}, Name: "name", Mark: true}
}

func marks(e *env) {
	q := e.stream()
	p := e.to(q)
	p.put(numbers(0, 10)...)
	e.stores(marking(q), 10, 10)
	p.put(numbers(10, 3)...)
	e.stores(marking(q), 10, 10)
	again := marking(q)
	again.Mark = false
	e.stores(again, 10, 10)
	c := e.consumer(again)
	second := c.takes(numbers(10, 3)...)[1].Offset
	c.ack(2, true)
	c.close()
	e.stores(marking(q), second+1, second+1)
}

func marksNothing(e *env) {
	q := e.stream()
	e.stores(marking(q), 0, 0) // there is nothing before it
	e.to(q).put(numbers(0, 10)...)
	unmarked := marking(q)
	unmarked.Mark = false
	e.stores(unmarked, 10, 0)
	nameless := marking(q)
	nameless.Name = ""
	e.stores(nameless, 10, 0)
	e.stores(unmarked, 10, 0)
	c := e.consumerNamed(q, "name")
	c.takes(numbers(0, 10)...)
	c.ack(4, true)
	c.close()
	e.stores(marking(q), 4, 4)
	c, next := e.opens(ignoring(q, broker.FromNext))
	method(c.port.Abort)
	regardless := marking(q)
	regardless.IgnoreStored = true
	e.stores(regardless, next, 4)
}

func markGoes(e *env) {
	q := e.stream()
	e.to(q).put(numbers(0, 10)...)
	e.stores(marking(q), 10, 10)
	e.must(broker.DeleteQueue{Name: q})
	e.must(broker.DeclareQueue{Name: q, QueueOptions: broker.QueueOptions{Type: broker.Stream}})
	e.to(q).put(numbers(0, 10)...)
	again := ignoring(q, broker.FromOffset)
	again.Stream.Offset = 10
	e.stores(again, 10, 0)
}

func inspectAhead(e *env) {
	q := e.stream()
	p := e.to(q)
	p.put(numbers(0, 10)...)
	c := e.consumer(broker.ConsumerConfig{Queue: q, Stream: &broker.StreamOffset{}, Prefetch: 3})
	c.take(3)
	c.is(c.inspect(), answer{7, 3})
	c.ack(2, true)
	c.take(2)
	c.is(c.inspect(), answer{5, 5})
	p.put(numbers(10, 5)...)
	c.is(c.inspect(), answer{10, 5})
	c.ack(3, false)
	c.ask()
	c.take(1)
	c.complete(c.inspect(), 15)
	for tag := uint64(6); tag <= 15; tag++ {
		c.ack(tag-2, true)
		if tag > 6 {
			c.take(1)
		}
	}
	c.is(c.inspect(), answer{0, 15})
}

func inspectAtEnd(e *env) {
	q := e.stream()
	empty, _ := e.opens(broker.ConsumerConfig{Queue: q, Stream: &broker.StreamOffset{}})
	empty.is(empty.inspect(), answer{0, 0})
	e.to(q).put(numbers(0, 10)...)
	for _, test := range offsetsOf {
		if test.want == 15 && !test.roughly {
			c, _ := e.opens(broker.ConsumerConfig{Queue: q, Stream: &test.from})
			c.is(c.inspect(), answer{0, 0})
		}
	}
}

func inspectBehindStored(e *env) {
	q := e.stream()
	e.to(q).put(numbers(0, 10)...)
	c := e.consumerNamed(q, "name")
	c.takes(numbers(0, 10)...)
	for tag := range uint64(10) {
		c.ack(tag+1, true)
		c.is(c.inspect(), answer{0, 10})
	}
	c.close()
	c = e.consumerNamed(q, "name")
	c.is(c.inspect(), answer{0, 0})
	c = e.from(q, broker.StreamOffset{From: broker.FromOffset, Offset: 4})
	c.take(6)
	c.is(c.inspect(), answer{0, 6})
}

func inspectWhilePublishing(e *env) {
	q := e.stream()
	p := e.to(q)
	c := e.from(q, broker.StreamOffset{})
	const rounds = 50
	for i := range rounds {
		c.ask()
		p.put(numbers(i, 1)...)
		c.complete(c.inspect(), i+1)
	}
	c.take(rounds)
	c.is(c.inspect(), answer{0, rounds})
}
