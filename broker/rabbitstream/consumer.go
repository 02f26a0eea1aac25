package rabbitstream

import (
	"cmp"
	"errors"
	"fmt"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/rabbitmq/rabbitmq-stream-go-client/pkg/amqp"
	"github.com/rabbitmq/rabbitmq-stream-go-client/pkg/stream"

	"github.com/d2e2d648/weir/broker"
)

const (
	// credits is how many chunks may be on their way or wait beyond the prefetch. A chunk is what the broker has written at once, one record or thousands.
	credits = 10
	// storeDelay is how long an acknowledgement may wait for others until it is stored: each store is an entry in the stream.
	storeDelay = 100 * time.Millisecond
	// storeTries and storePause: a store is not answered. It is certain when the broker tells it.
	storeTries, storePause = 100, 20 * time.Millisecond
	// oneByOne is for how many records there is room at first where a chunk does not tell its end.
	oneByOne = 64
)

// consumer is one consuming session. The session's lock guards what stands above chunk; that is the client's goroutine's, the rest the worker's.
type consumer struct {
	session
	config broker.ConsumerConfig
	name   string // at the broker: the stable one, or else the owner

	handed    uint64          // the last tag
	unsettled int             // of those
	settled   broker.Marks    // tags
	kept      []broker.Record // not handed yet: their tags follow handed
	waiting   bool            // the worker was told of some of them
	offsets   broker.Offsets  // of tags
	chunks    []uint64        // the first tag of each chunk that is not handed as a whole
	due       int             // credits to give
	acked     uint64          // the tag to store
	storeAt   time.Time       // zero: no earlier than the next acknowledgement
	trouble   error
	inspection

	chunk arrival

	from     uint64  // where it begins
	before   *uint64 // the offset that was stored when the session began; nil: none
	consumer *stream.Consumer
	stored   uint64 // the tag
	promised uint64 // its offset
}

// arrival is the chunk that is being taken in.
type arrival struct {
	of            stream.ConsumerContext
	entries, seen int             // seen are records
	later         bool            // it is not the session's first, of which the client leaves records out
	offset        uint64          // of its next record
	records       []broker.Record // that are not in kept yet
}

func newConsumer(config broker.ConsumerConfig, owner string) *consumer {
	c := &consumer{config: config, settled: broker.NewMarks(1)}
	c.stream, c.what = config.Queue, "consume stream "+strconv.Quote(config.Queue)
	c.name = cmp.Or(config.Name, owner[:min(len(owner), 255)], "weir")
	return c
}

// check says what of the configuration is impossible.
func (c *consumer) check() error {
	switch n := &c.config; {
	case n.Queue == "" || len(n.Queue) > 255:
		return misuse(c.what, "a stream's name has 1 to 255 bytes")
	case n.Prefetch < 1 || n.Prefetch > 65535:
		return misuse(c.what, "the prefetch is %d: use 1 to 65535", n.Prefetch)
	case n.MaxBatch < 1:
		return misuse(c.what, "MaxBatch is %d: use at least 1", n.MaxBatch)
	case n.Exclusive || n.Own:
		return misuse(c.what, "exclusively: the stream protocol has no such consumers")
	case n.Name != "" && n.Stream == nil:
		return misuse(c.what, "the name %q, and not from where", n.Name)
	case len(n.Name) > 255:
		return misuse(c.what, "a name of more than 255 bytes")
	}
	return nil
}

func (c *consumer) question() question {
	return question{stream: c.stream, consumer: c.config.Name, from: c.config.Stream, afresh: c.config.IgnoreStored, mark: c.config.Mark}
}

func (c *consumer) declare(f *findings) error {
	c.from, c.ahead = f.next, f.next
	if f.hasStored {
		c.before = &f.stored
	}
	at := stream.OffsetSpecification{}.Offset(int64(f.next))
	o := stream.NewConsumerOptions().SetOffset(at).SetManualCommit().SetCreditStrategy(stream.ManualCreditStrategy).SetInitialCredits(credits).
		SetConsumerName(c.name).SetClientProvidedName(c.port.config.Name + " consume streams")
	consumer, err := c.link.env.NewConsumer(c.stream, c.arrived, o)
	if err != nil {
		return err
	}
	c.consumer = consumer
	c.closed = consumer.NotifyClose()
	if err := c.pulse(); err != nil { // the client may have closed it before it could tell
		_ = consumer.Close()
		return err
	}
	return nil
}

func (c *consumer) undo() error {
	if c.consumer == nil {
		return nil
	}
	return c.consumer.Close()
}

func (c *consumer) pulse() error {
	_, err := c.consumer.QueryOffset()
	if errors.Is(err, stream.OffsetNotFoundError) {
		return nil
	}
	return err
}

func (c *consumer) waitsOut() bool { return false }

// arrived is the client's handler, which its goroutine calls for each record. A panic in it, so in a sink, would end the process.
func (c *consumer) arrived(of stream.ConsumerContext, m *amqp.Message) {
	defer func() {
		if r := recover(); r != nil {
			c.panicked(r)
		}
	}()
	c.takeIn(of, m)
}

func (c *consumer) panicked(r any) {
	c.mu.Lock()
	if c.trouble == nil {
		c.trouble = fmt.Errorf("panic while a record was handed over: %v\n%s", r, debug.Stack())
	}
	c.mu.Unlock()
	c.poke()
}

// takeIn takes the next record of a chunk, and hands over when a batch is full and at the end of the chunk. A chunk tells how many entries it has, each of which is
// one record or many, and of the session's first the client leaves some out: where that does not tell its end, the worker hands over what there is by then.
func (c *consumer) takeIn(of stream.ConsumerContext, m *amqp.Message) {
	a := &c.chunk
	if of != a.of {
		c.nextChunk(of)
	}
	a.seen++
	if a.offset >= c.from {
		if a.records == nil {
			a.records = make([]broker.Record, 0, min(max(a.entries-a.seen+1, 1), c.config.MaxBatch))
		}
		r := broker.Record{Body: bodyOf(m), Offset: a.offset}
		if c.config.Properties {
			r.Properties = propertiesOf(m)
		}
		a.records = append(a.records, r)
	}
	a.offset++
	switch {
	case len(a.records) >= c.config.MaxBatch, a.seen == a.entries:
		c.keepAll()
		c.hand()
	case !a.later, a.seen > a.entries:
		if c.keepOne() {
			c.poke()
		}
	}
}

// nextChunk begins to take another one in. Within it offsets have no gaps.
func (c *consumer) nextChunk(of stream.ConsumerContext) {
	a := &c.chunk
	c.keepAll()
	*a = arrival{of: of, later: a.of.Consumer != nil, entries: int(of.GetEntriesCount()), offset: uint64(of.Consumer.GetOffset())}
	c.mu.Lock()
	c.chunks = append(c.chunks, c.handed+uint64(len(c.kept))+1)
	c.mu.Unlock()
}

// keepAll lets go of what was taken in.
func (c *consumer) keepAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case !c.keeping():
	case len(c.kept) == 0:
		c.kept = c.chunk.records
	default:
		c.kept = append(c.kept, c.chunk.records...)
	}
	c.chunk.records = nil
}

// keepOne is for records of which each could be the last for now. It says whether the worker must be told.
func (c *consumer) keepOne() (tell bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.keeping() {
		if c.kept == nil {
			c.kept = make([]broker.Record, 0, min(c.config.MaxBatch, oneByOne))
		}
		c.kept = append(c.kept, c.chunk.records...)
		tell, c.waiting = !c.waiting, true
	}
	c.chunk.records = c.chunk.records[:0]
	return tell
}

// keeping says whether what was taken in is wanted. The lock is held.
func (c *consumer) keeping() bool {
	c.alive = true
	return len(c.chunk.records) > 0 && (c.state == opening || c.state == open)
}

// hand tells deliveries in their order, as many as the prefetch allows. The rest stays until some are settled.
func (c *consumer) hand() {
	c.handing.Lock()
	defer c.handing.Unlock()
	events := c.next()
	if len(events) > 0 {
		c.Tell(events...)
	}
}

// next takes what may be handed over.
func (c *consumer) next() (events []broker.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting = false
	if c.state != open {
		return nil
	}
	n := min(len(c.kept), c.config.Prefetch-c.unsettled)
	now := c.kept[:n:n]
	if n > 0 {
		c.unsettled += n
		c.ahead = now[n-1].Offset + 1
	}
	if c.config.Name != "" {
		for i := range now {
			c.offsets.Add(c.handed+uint64(i)+1, now[i].Offset)
		}
	}
	if c.kept = c.kept[n:]; len(c.kept) == 0 {
		c.kept = nil
	}
	for len(now) > 0 {
		part := now[:min(len(now), c.config.MaxBatch):min(len(now), c.config.MaxBatch)]
		events = append(events, &broker.Delivered{First: c.handed + 1, Records: part})
		c.handed += uint64(len(part))
		now = now[len(part):]
	}
	for len(c.chunks) > 1 && c.chunks[1]-1 <= c.handed { // where the last chunk ends only the next one says
		c.chunks = c.chunks[1:]
		c.due++
	}
	if c.due > 0 {
		c.poke()
	}
	return events
}

// Ack is the port's.
func (c *consumer) Ack(tag uint64, multiple bool) {
	first := tag
	if multiple {
		first = 1
	}
	c.settle(first, tag, multiple && c.config.Name != "")
}

// Reject is the port's. A stream keeps its records anyway.
func (c *consumer) Reject(tag uint64, _ bool) { c.settle(tag, tag, false) }

func (c *consumer) settle(first, last uint64, store bool) {
	c.mu.Lock()
	if c.state != open {
		c.mu.Unlock()
		return
	}
	if last == 0 || last > c.handed {
		handed := c.handed
		c.mu.Unlock()
		c.endLater(failure(c.what, broker.ErrTag, fmt.Errorf("%w: %d of %d", broker.ErrTag, last, handed)))
		return
	}
	c.settled.Missing(first, last, func(first, last uint64) { c.unsettled -= int(last - first + 1) })
	c.settled.Add(first, last)
	wake := len(c.kept) > 0
	if store && last > c.acked {
		c.acked = last
		if c.storeAt.IsZero() {
			c.storeAt = time.Now().Add(storeDelay)
			wake = true
		}
	}
	c.mu.Unlock()
	if wake {
		c.poke()
	}
}

func (c *consumer) drop() { c.kept, c.asked = nil, 0 }

func (c *consumer) pump() (time.Duration, error) {
	c.hand()
	c.mu.Lock()
	due, trouble, storeAt := c.due, c.trouble, c.storeAt
	c.due = 0
	c.mu.Unlock()
	if trouble != nil {
		return 0, trouble
	}
	c.inspect()
	if due > 0 {
		if err := c.do(func() error { return c.consumer.Credit(int16(due)) }); err != nil {
			return 0, err
		}
	}
	if storeAt.IsZero() {
		return 0, nil
	}
	if wait := time.Until(storeAt); wait > 0 {
		return wait, nil
	}
	return 0, c.store()
}

// store stores the offset of what was acknowledged.
func (c *consumer) store() error {
	c.mu.Lock()
	tag := c.acked
	c.storeAt = time.Time{}
	if tag > c.stored {
		c.stored, c.promised = tag, c.offsets.Of(tag)
	}
	offset := c.promised
	c.mu.Unlock()
	return c.do(func() error { return c.consumer.StoreCustomOffset(int64(offset)) })
}

// finish stores the last offset and makes sure that the broker has it (rule 16).
func (c *consumer) finish() error {
	c.mu.Lock()
	any := c.acked > 0
	c.mu.Unlock()
	if !any {
		return nil
	}
	if err := c.store(); err != nil {
		return err
	}
	for range storeTries {
		var got int64
		err := c.do(func() (err error) {
			got, err = c.consumer.QueryOffset()
			return err
		})
		if err == nil && c.keeps(uint64(got)) {
			return nil
		}
		if err != nil && !errors.Is(err, stream.OffsetNotFoundError) {
			return err
		}
		select {
		case <-time.After(storePause):
		case <-c.ctx.Done():
			return c.ended()
		}
	}
	return fmt.Errorf("the offset %d was not stored within %v; RabbitMQ 3.10 stores it only for who may write to the stream", c.promised, storeTries*storePause)
}

// keeps says whether what is stored is what was acknowledged, or came after it. A session that ignores what was stored before begins below it.
func (c *consumer) keeps(stored uint64) bool {
	return stored == c.promised || stored > c.promised && (c.before == nil || stored != *c.before)
}
