package brokertest

import (
	"github.com/d2e2d648/weir/broker"
)

// nameCases are of ports that have stable names.
var nameCases = []Case{
	{"opened says the last sequence of a name", []int{21}, lastSequence},
	{"what a name has published is not stored again", []int{21}, notStoredAgain},
	{"what a name has published is not stored again in one session", []int{21}, notStoredTwice},
	{"names and streams have sequences of their own", []int{21}, ownSequences},
	{"a name's sequence survives a cut", []int{21}, sequenceSurvivesCut},
	{"a stream declared again has forgotten its names", []int{21, 22}, forgottenNames},
	{"deleting a stream ends its named publishers", []int{14}, endsNamedOnDelete},
	{"what a publisher's name needs", []int{21}, publisherNameNeeds},

	{"a named consumer begins behind what it acknowledged", []int{22}, beginsBehind},
	{"close makes a named consumer's ack certain", []int{16, 22}, closeStores},
	{"an ack is stored without a close", []int{22}, storesSoon},
	{"ack of one tag and reject store nothing", []int{22}, singlesStoreNothing},
	{"ack up to a settled tag stores", []int{22}, storesSettled},
	{"a named consumer begins where Stream says the first time", []int{22}, beginsWhereStreamSays},
	{"consumers' names have offsets of their own", []int{22}, ownOffsets},
	{"a cut loses nothing that was not acknowledged", []int{13, 22}, cutLosesNothing},
	{"what a consumer's name needs", []int{22}, consumerNameNeeds},
}

// nameless are of ports that have none.
var nameless = []Case{
	{"a publisher's name is misuse", []int{21}, func(e *env) {
		p := e.openPublisher(e.lease, broker.PublisherConfig{RoutingKey: e.stream(), Name: "name"})
		e.isError("Ended", expectNext[*broker.Ended](p.recorder).Err, broker.ErrMisuse)
	}},
	{"a consumer's name is misuse", []int{22}, func(e *env) {
		c := e.openConsumer(e.lease, broker.ConsumerConfig{Queue: e.stream(), Stream: &broker.StreamOffset{}, Name: "name"})
		e.isError("Ended", expectNext[*broker.Ended](c.recorder).Err, broker.ErrMisuse)
	}},
	{"opened says nothing of where a session begins", []int{22}, func(e *env) {
		q := e.stream()
		e.to(q).put(numbers(0, 5)...)
		c, next := e.opens(broker.ConsumerConfig{Queue: q, Stream: &broker.StreamOffset{From: broker.FromNext}, IgnoreStored: true})
		c.beginsAt(next, 0)
	}},
}

// publisherNamed opens a publisher with a name, which goes on behind what the broker has of it.
func (e *env) publisherNamed(stream, name string) *publisher {
	e.Helper()
	p := e.openPublisher(e.lease, broker.PublisherConfig{RoutingKey: stream, Name: name})
	p.nextAt = expectNext[*broker.Opened](p.recorder).LastSequence + 1
	return p
}

// goesOnAt checks where it does.
func (p *publisher) goesOnAt(want uint64) {
	p.env.Helper()
	if p.nextAt != want {
		p.env.Errorf("rule 21: %s: the last sequence is %d, want %d", p.name, p.nextAt-1, want-1)
	}
}

func lastSequence(e *env) {
	q := e.stream()
	for _, first := range []uint64{1, 11, 21} {
		p := e.publisherNamed(q, "name")
		p.goesOnAt(first)
		p.put(numbers(0, 10)...)
		p.close()
	}
	p := e.publisherNamed(q, "name")
	p.nextAt = 1000 // there may be gaps
	p.put("later")
	method(p.port.Abort)
	e.publisherNamed(q, "name").goesOnAt(1001)
	e.publisherNamed(q, "other").goesOnAt(1)
	p = e.to(q)
	p.put("without a name")
	p.close()
	e.publisherNamed(q, "name").goesOnAt(1001)
}

// The second session publishes again what is unknown to it, as a writer does whose confirms were lost.
func notStoredAgain(e *env) {
	q := e.stream()
	p := e.publisherNamed(q, "name")
	p.put(numbers(1, 10)...)
	p.close()
	p = e.publisherNamed(q, "name")
	p.nextAt = 1
	p.put("not", "again")
	p.put(numbers(3, 7)...)
	p.put(numbers(10, 5)...) // one that is known and some that are not
	e.from(q, broker.StreamOffset{}).takes(numbers(1, 14)...)
	p.close()
	p = e.to(q)
	p.put(numbers(1, 2)...)
	c := e.from(q, broker.StreamOffset{})
	c.takes(append(numbers(1, 14), numbers(1, 2)...)...)
	c.none()
}

func notStoredTwice(e *env) {
	q := e.stream()
	p := e.publisherNamed(q, "name")
	for range 3 {
		p.nextAt = 1
		p.put(numbers(1, 5)...)
	}
	p.put("marker")
	e.from(q, broker.StreamOffset{}).takes(append(numbers(1, 5), "marker")...)
}

func ownSequences(e *env) {
	q, other := e.stream(), e.stream()
	for _, p := range []*publisher{e.publisherNamed(q, "a"), e.publisherNamed(q, "b"), e.publisherNamed(other, "a")} {
		p.goesOnAt(1)
		p.put(numbers(1, 3)...)
	}
	e.from(q, broker.StreamOffset{}).takes(append(numbers(1, 3), numbers(1, 3)...)...)
	e.from(other, broker.StreamOffset{}).takes(numbers(1, 3)...)
}

// What was not confirmed is published again, whether it arrived or not.
func sequenceSurvivesCut(e *env) {
	q := e.stream()
	p := e.publisherNamed(q, "name")
	p.put(numbers(1, 5)...)
	p.send(numbers(6, 5)...)
	e.provoke("cut", e.h.Cut())
	e.isError("Ended", p.ended(), broker.ErrUnavailable)
	p = e.reopenPublisher(broker.PublisherConfig{RoutingKey: q, Name: "name"})
	opened := p.all()[0].(*broker.Opened)
	if opened.LastSequence < 5 || opened.LastSequence > 10 {
		e.Errorf("rule 21: the last sequence is %d after 5 were confirmed and 10 published", opened.LastSequence)
	}
	p.nextAt = 6
	p.put(numbers(6, 5)...)
	p.put("marker")
	e.from(q, broker.StreamOffset{}).takes(append(numbers(1, 10), "marker")...)
}

func forgottenNames(e *env) {
	q := e.stream()
	for range 2 {
		p := e.publisherNamed(q, "name")
		p.goesOnAt(1)
		p.put(numbers(0, 5)...)
		p.close()
		c := e.consumerNamed(q, "name")
		c.offsets(c.takes(numbers(0, 5)...), 0)
		c.ack(5, true)
		c.close()
		e.must(broker.DeleteQueue{Name: q})
		e.must(broker.DeclareQueue{Name: q, QueueOptions: broker.QueueOptions{Type: broker.Stream}})
	}
}

func endsNamedOnDelete(e *env) {
	q := e.stream()
	a, b := e.publisherNamed(q, "a"), e.publisherNamed(q, "b")
	a.put("before")
	e.must(broker.DeleteQueue{Name: q})
	e.isError("Ended", a.ended(), broker.ErrNotFound)
	e.isError("Ended", b.ended(), broker.ErrNotFound)
}

func publisherNameNeeds(e *env) {
	for _, test := range []struct {
		config broker.PublisherConfig
		want   error
	}{
		{broker.PublisherConfig{RoutingKey: e.stream(), SubEntries: 10}, broker.ErrMisuse},
		{broker.PublisherConfig{RoutingKey: e.stream(), Exchange: e.exchange(broker.Direct)}, broker.ErrMisuse},
		{broker.PublisherConfig{RoutingKey: e.queue(broker.QueueOptions{Type: broker.Classic})}, broker.ErrWrongType},
		{broker.PublisherConfig{RoutingKey: e.name("missing")}, broker.ErrNotFound},
	} {
		test.config.Name = "name"
		p := e.openPublisher(e.lease, test.config)
		e.isError("Ended", expectNext[*broker.Ended](p.recorder).Err, test.want)
	}
}

// consumerNamed opens a consumer with a name that begins at the first record where nothing is stored.
func (e *env) consumerNamed(stream, name string) *consumer {
	e.Helper()
	return e.consumer(broker.ConsumerConfig{Queue: stream, Stream: &broker.StreamOffset{}, Name: name})
}

func beginsBehind(e *env) {
	q := e.stream()
	p := e.to(q)
	p.put(numbers(0, 10)...)
	c := e.consumerNamed(q, "name")
	c.takes(numbers(0, 10)...)
	c.ack(2, true)
	c.ack(4, true)
	c.ack(3, true) // is settled
	c.close()
	c = e.consumerNamed(q, "name")
	got := c.takes(numbers(4, 6)...)
	c.redelivered(got, false)
	if got[0].tag != 1 {
		e.Errorf("rule 6: the first tag is %d", got[0].tag)
	}
	c.ack(6, true)
	c.close()
	c = e.consumerNamed(q, "name")
	p.put("marker")
	c.takes("marker")
}

func closeStores(e *env) {
	q := e.stream()
	p := e.to(q)
	for i := range 10 {
		c := e.consumerNamed(q, "name")
		p.put(numbers(20*i, 20)...)
		c.takes(numbers(20*i, 20)...)
		for tag := range uint64(20) {
			c.ack(tag+1, true)
		}
		c.close()
	}
}

func storesSoon(e *env) {
	q := e.stream()
	e.to(q).put(numbers(0, 10)...)
	c := e.consumerNamed(q, "name")
	c.takes(numbers(0, 10)...)
	for tag := range uint64(7) {
		c.ack(tag+1, true)
	}
	e.eventually("the offset is stored", func() bool {
		next := e.consumerNamed(q, "name")
		defer method(next.port.Abort)
		return string(next.take(1)[0].Body) == "record 7"
	})
}

func singlesStoreNothing(e *env) {
	q := e.stream()
	e.to(q).put(numbers(0, 5)...)
	for range 2 {
		c := e.consumerNamed(q, "name")
		c.takes(numbers(0, 5)...)
		c.ack(1, false)
		c.reject(2, true)
		c.reject(3, false)
		c.ack(5, false)
		c.close()
	}
}

func storesSettled(e *env) {
	q := e.stream()
	e.to(q).put(numbers(0, 5)...)
	c := e.consumerNamed(q, "name")
	c.takes(numbers(0, 5)...)
	c.ack(3, false)
	c.ack(3, true)
	c.close()
	e.consumerNamed(q, "name").takes(numbers(3, 2)...)
}

func beginsWhereStreamSays(e *env) {
	q := e.stream()
	p := e.to(q)
	p.put(numbers(0, 10)...)
	at := func(o broker.StreamOffset) *consumer {
		return e.consumer(broker.ConsumerConfig{Queue: q, Stream: &o, Name: "name"})
	}
	c := at(broker.StreamOffset{From: broker.FromOffset, Offset: 7})
	c.takes(numbers(7, 3)...)
	c.close()
	c = at(broker.StreamOffset{From: broker.FromOffset, Offset: 4})
	c.takes(numbers(4, 6)...)
	c.ack(2, true)
	c.close()
	for _, from := range []broker.OffsetKind{broker.FromFirst, broker.FromLast, broker.FromNext, broker.FromOffset} {
		c := at(broker.StreamOffset{From: from})
		c.takes(numbers(6, 4)...)
		c.close()
	}
}

func ownOffsets(e *env) {
	q, other := e.stream(), e.stream()
	e.to(q).put(numbers(0, 10)...)
	e.to(other).put(numbers(0, 10)...)
	type reader struct{ stream, name string }
	readers := []reader{{q, "a"}, {q, "b"}, {other, "a"}}
	for i, r := range readers {
		c := e.consumerNamed(r.stream, r.name)
		c.takes(numbers(0, 10)...)
		c.ack(uint64(2*i+2), true)
		c.close()
	}
	for i, r := range readers {
		e.consumerNamed(r.stream, r.name).takes(numbers(2*i+2, 8-2*i)...)
	}
	e.from(q, broker.StreamOffset{}).takes(numbers(0, 10)...)
}

// Of what was acknowledged just before something may come again.
func cutLosesNothing(e *env) {
	q := e.stream()
	e.to(q).put(numbers(0, 10)...)
	c := e.consumerNamed(q, "name")
	c.takes(numbers(0, 10)...)
	c.ack(6, true)
	e.provoke("cut", e.h.Cut())
	e.isError("Ended", c.ended(), broker.ErrUnavailable)
	c = e.reopenConsumer(broker.ConsumerConfig{Queue: q, Stream: &broker.StreamOffset{}, Name: "name"})
	first := int(c.take(1)[0].Offset)
	if first > 6 {
		e.Fatalf("rule 22: begins at offset %d, 6 were acknowledged", first)
	}
	c.redelivered(c.takes(numbers(first+1, 9-first)...), false)
}

func consumerNameNeeds(e *env) {
	for _, test := range []struct {
		config broker.ConsumerConfig
		want   error
	}{
		{broker.ConsumerConfig{Queue: e.stream()}, broker.ErrMisuse},
		{broker.ConsumerConfig{Queue: e.queue(broker.QueueOptions{Type: broker.Classic}), Stream: &broker.StreamOffset{}}, broker.ErrWrongType},
		{broker.ConsumerConfig{Queue: e.name("missing"), Stream: &broker.StreamOffset{}}, broker.ErrNotFound},
	} {
		test.config.Name = "name"
		c := e.openConsumer(e.lease, test.config)
		e.isError("Ended", expectNext[*broker.Ended](c.recorder).Err, test.want)
	}
}
