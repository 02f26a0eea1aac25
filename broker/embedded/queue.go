package embedded

import (
	"fmt"

	"github.com/d2e2d648/weir/broker"
)

// queue is a queue of any type. What it does with records differs where it is a stream: then it has a log, and no backlog.
type queue struct {
	b       *Broker
	name    string
	options broker.QueueOptions
	boundTo []*exchange

	// The backlog: what was given back comes before everything that is ready, for it was taken from there.
	returned sorted[message]
	ready    fifo[message]
	bytes    int64 // of both
	places   uint64

	log *log

	owned     bool        // by its only consumer
	consumers []*consumer // in order of registration
	turn      int         // whose turn it is
	waking    bool        // a dispatch is due
	run       func()
	deleted   bool
}

func newQueue(b *Broker, name string, options broker.QueueOptions) *queue {
	q := &queue{b: b, name: name, options: options}
	q.run = q.dispatch
	if options.Type == broker.Stream {
		q.log = &log{options: options}
	}
	return q
}

var errOwned = fmt.Errorf("%w: it is another session's own", broker.ErrInUse)

// admits says whether the queue, nil for a missing one, can have such a consumer.
func (q *queue) admits(c *broker.ConsumerConfig) error {
	switch {
	case q == nil:
		return broker.ErrNotFound
	case q.owned && len(q.consumers) > 0:
		return errOwned
	case c.Own && !q.owned:
		return fmt.Errorf("%w: it is there, and everybody's", broker.ErrRefused)
	case c.Stream != nil && q.log == nil:
		return fmt.Errorf("%w: it is no stream", broker.ErrWrongType)
	case c.Stream == nil && q.log != nil:
		return fmt.Errorf("%w: it is a stream", broker.ErrWrongType)
	case c.Exclusive && len(q.consumers) > 0:
		return fmt.Errorf("exclusively: %w: it has consumers", broker.ErrInUse)
	case len(q.consumers) > 0 && q.consumers[0].config.Exclusive:
		return fmt.Errorf("%w: it has an exclusive consumer", broker.ErrInUse)
	}
	return nil
}

// accept takes records from the front of the batch and says how many: all, but for a queue that refuses when it is full.
func (q *queue) accept(from *origin, batch broker.Batch) (taken int) {
	defer q.wake()
	if q.log != nil {
		q.log.append(from, batch, q.b.loop.Now())
		q.b.counts.accepted += uint64(len(batch.Records))
		return len(batch.Records)
	}
	now, copies := q.b.loop.Now(), &q.b.faults.duplicateDeliveries
	for i := range batch.Records {
		if q.atLeastOnce() && q.full() {
			return i
		}
		r := &batch.Records[i]
		m := message{body: r.Body, properties: r.Properties, from: from, sequence: batch.First + uint64(i), came: now}
		q.append(m)
		if *copies > 0 {
			*copies--
			q.append(m)
		}
	}
	return len(batch.Records)
}

// append puts a message at the end, and drops the oldest of what is too much.
func (q *queue) append(m message) {
	q.b.counts.accepted++
	q.places++
	m.place, m.returns = q.places, 0
	q.ready.push(m)
	q.bytes += int64(len(m.body))
	q.trim()
}

// atLeastOnce: a full queue refuses records instead of dropping its oldest.
func (q *queue) atLeastOnce() bool {
	return q.options.Type == broker.Quorum && q.options.DeadLetterTo != ""
}

// over says whether the backlog is more than the limits allow.
func (q *queue) over() bool {
	o := &q.options
	return o.MaxLength > 0 && q.length() > o.MaxLength || o.MaxBytes > 0 && q.bytes > o.MaxBytes
}

// full says whether the limits allow no more, once consumers were given what they can take.
func (q *queue) full() bool {
	at := func() bool {
		o := &q.options
		return o.MaxLength > 0 && q.length() >= o.MaxLength || o.MaxBytes > 0 && q.bytes >= o.MaxBytes
	}
	if !at() {
		return false
	}
	q.dispatch()
	return at()
}

// trim drops the oldest of what is too much, once consumers were given what they can take.
func (q *queue) trim() {
	if q.atLeastOnce() || !q.over() {
		return
	}
	for q.dispatch(); q.over(); {
		q.discard(q.take())
	}
}

// expire drops what is older than MaxAge at the head.
func (q *queue) expire() {
	for age := q.options.MaxAge; age > 0 && q.length() > 0 && q.first().came+age <= q.b.loop.Now(); {
		q.discard(q.take())
	}
}

// count is how many records are ready, of a stream: kept.
func (q *queue) count() int {
	if q.log != nil {
		return q.log.length()
	}
	q.expire()
	return q.length()
}

// ahead is how many records are ready for the consumer.
func (q *queue) ahead(c *consumer) int {
	if q.log != nil {
		return int(q.log.end - max(c.offset, q.log.first()))
	}
	return q.count()
}

func (q *queue) length() int { return len(q.returned) + q.ready.n }

func (q *queue) first() *message {
	if len(q.returned) > 0 {
		return &q.returned[0]
	}
	return q.ready.front()
}

func (q *queue) take() (m message) {
	if len(q.returned) > 0 {
		m = q.returned.pop()
	} else {
		m = q.ready.pop()
	}
	q.bytes -= int64(len(m.body))
	return m
}

// giveBack is a message that a consumer does not want: back to its place, or discarded.
func (q *queue) giveBack(m message, requeue bool) {
	if q.deleted || q.log != nil {
		return // to a stream a reject says what an acknowledgement says: go on
	}
	m.returns++
	limit := q.options.DeliveryLimit
	if !requeue || q.options.Type == broker.Quorum && limit > 0 && m.returns > limit {
		q.discard(m)
		return
	}
	q.returned.push(m)
	q.bytes += int64(len(m.body))
}

func (q *queue) giveAllBack(u *unsettled) {
	u.drain(func(m message) { q.giveBack(m, true) })
	q.wake()
}

// discard dead-letters a message, or drops it where it cannot go.
func (q *queue) discard(m message) {
	b := q.b
	target := b.queues[q.options.DeadLetterTo]
	if target == nil || b.transferring || target.atLeastOnce() && target.full() {
		b.counts.dropped++
		return
	}
	b.counts.deadLettered++
	b.transferring = true // what this pushes out of the target is dropped, or two full queues could push for ever
	target.adopt(m)
	b.transferring = false
}

// adopt is accept for a dead-lettered message.
func (q *queue) adopt(m message) {
	m.came = q.b.loop.Now()
	if q.log != nil {
		q.b.counts.accepted++
		q.log.append(m.from, broker.Batch{First: m.sequence, Records: []broker.Record{{Body: m.body, Properties: m.properties}}}, m.came)
	} else {
		q.append(m)
	}
	q.wake()
}

// wake lets what the queue has go to its consumers soon: once for all that happens until then, so that it goes in batches.
func (q *queue) wake() {
	if !q.waking && len(q.consumers) > 0 {
		q.waking = true
		q.b.loop.At(q.b.loop.Now(), q.run)
	}
}

func (q *queue) dispatch() {
	q.waking = false
	switch {
	case q.deleted:
		return
	case q.log != nil:
		for _, c := range q.eligible() {
			q.log.deliver(c)
		}
		return
	}
	q.expire()
	for q.length() > 0 {
		c := q.next()
		if c == nil {
			break
		}
		c.assign(q.take())
	}
	for _, c := range q.consumers {
		c.flush()
	}
}

// eligible are the consumers that may be given something: only the oldest where one is to be active.
func (q *queue) eligible() []*consumer {
	if q.options.SingleActiveConsumer && len(q.consumers) > 1 {
		return q.consumers[:1]
	}
	return q.consumers
}

// next is the consumer whose turn it is, among those with room. Nil: none has.
func (q *queue) next() *consumer {
	all := q.eligible()
	for i := range all {
		k := (q.turn + i) % len(all)
		if c := all[k]; c.credit() > 0 {
			q.turn = k + 1
			return c
		}
	}
	return nil
}
