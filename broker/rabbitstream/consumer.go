package rabbitstream

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/d2e2d648/weir/broker"
)

const (
	// At most maxCredits chunks, of about aheadBytes together, are on their way or wait beyond the prefetch, or minCredits, of whatever size. A chunk is what the broker has written at once, one record or thousands: up to
	// a writer's whole window.
	minCredits, maxCredits = 2, 10
	aheadBytes             = 8 << 20
	// storeDelay is how long an acknowledgement may wait for others until it is stored: each store is an entry in the stream.
	storeDelay = 100 * time.Millisecond
	// storeTries and storePause: a store is not answered. It is certain when the broker tells it.
	storeTries, storePause = 100, 20 * time.Millisecond
)

// consumer is one consuming session. The session's lock guards what stands above from; that is the reader's from the opening on, the rest the worker's.
type consumer struct {
	session
	config broker.ConsumerConfig
	name   string // at the broker: the stable one, or else the owner

	handed    uint64          // the last tag
	unsettled int             // of those
	settled   broker.Marks    // tags
	kept      []broker.Record // not handed yet: their tags follow handed
	offsets   broker.Offsets  // of tags
	chunks    []uint64        // the last tag of each chunk that is not handed as a whole
	onWay     int             // chunks that the broker may send
	usual     int             // bytes of a chunk, of late
	acked     uint64          // the tag to store
	storeAt   time.Time       // zero: no earlier than the next acknowledgement
	inspection

	from uint64 // where it begins

	before   *uint64 // the offset that was stored when the session began; nil: none
	stored   uint64  // the tag
	promised uint64  // its offset
}

func newConsumer(config broker.ConsumerConfig, owner string) *consumer {
	c := &consumer{config: config, settled: broker.NewMarks(1), onWay: minCredits}
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
	at := broker.StreamOffset{From: broker.FromOffset, Offset: f.next}
	_, err := c.request(c.port.answer, nil, subscribe, "the subscription", func(f frame) frame {
		return f.u8(c.number).text(c.stream).spec(at).u16(minCredits).u32(1).text("name").text(c.name)
	})
	return err
}

func (c *consumer) goodbye() uint16 { return unsubscribe }

func (c *consumer) pulse(limit time.Duration) error {
	_, _, err := c.ask(limit)
	return err
}

// ask asks for the stored offset.
func (c *consumer) ask(limit time.Duration) (offset uint64, any bool, err error) {
	f, err := c.request(limit, nil, queryOffset, "the question for the stored offset", func(f frame) frame { return f.text(c.name).text(c.stream) })
	var none *refusal
	if errors.As(err, &none) && none.code == codeNoOffset {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	return f.u64(), true, nil
}

// take takes a chunk in, and hands over what there is room for.
func (c *consumer) take(_ uint16, f *fields) {
	size := len(f.b)
	records, err := c.unpack(f)
	if err != nil {
		c.fail(err)
		return
	}
	c.keep(records, size)
	c.hand()
}

// unpack gives a chunk's records; the session's first may begin below where it does.
func (c *consumer) unpack(f *fields) ([]broker.Record, error) {
	k, err := f.chunk()
	if err != nil {
		return nil, err
	}
	return k.unpack(f, c.from, c.config.Properties)
}

// keep keeps a chunk's records until they are handed over. One with none that is wanted is done with at once.
func (c *consumer) keep(records []broker.Record, size int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.heard = time.Now()
	c.onWay = max(0, c.onWay-1) // RabbitMQ 3.10 may send more
	c.usual = max(size, c.usual-c.usual/4)
	switch {
	case c.state != opening && c.state != open:
		return
	case len(c.kept) == 0:
		c.kept = records
	default:
		c.kept = append(c.kept, records...)
	}
	c.chunks = append(c.chunks, c.handed+uint64(len(c.kept)))
}

// hand tells deliveries in their order, as many as the prefetch allows. The rest stays until some are settled.
func (c *consumer) hand() {
	c.handing.Lock()
	defer c.handing.Unlock()
	events, credits := c.next()
	if len(events) > 0 {
		c.Tell(events...)
	}
	if credits > 0 {
		c.link.say(newFrame(credit).u8(c.number).u16(credits).sealed())
	}
}

// next takes what may be handed over, and says how many more chunks the broker may send.
func (c *consumer) next() (events []broker.Event, credits uint16) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != open {
		return nil, 0
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
	for len(c.chunks) > 0 && c.chunks[0] <= c.handed {
		c.chunks = c.chunks[1:]
	}
	return events, c.grant()
}

// grant says how many more chunks the broker may send. The lock is held.
func (c *consumer) grant() uint16 {
	want := min(max(aheadBytes/max(c.usual, 1), minCredits), maxCredits)
	more := max(0, want-c.onWay-len(c.chunks))
	c.onWay += more
	return uint16(more)
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
	storeAt := c.storeAt
	c.mu.Unlock()
	c.inspect()
	if storeAt.IsZero() {
		return 0, nil
	}
	if wait := time.Until(storeAt); wait > 0 {
		return wait, nil
	}
	c.store()
	return 0, nil
}

// store stores the offset of what was acknowledged.
func (c *consumer) store() {
	c.mu.Lock()
	tag := c.acked
	c.storeAt = time.Time{}
	if tag > c.stored {
		c.stored, c.promised = tag, c.offsets.Of(tag)
	}
	offset := c.promised
	c.mu.Unlock()
	c.link.say(newFrame(storeOffset).text(c.name).text(c.stream).u64(offset).sealed())
}

// finish stores the last offset and makes sure that the broker has it (rule 16).
func (c *consumer) finish() error {
	c.mu.Lock()
	any := c.acked > 0
	c.mu.Unlock()
	if !any {
		return nil
	}
	c.store()
	for range storeTries {
		got, any, err := c.ask(c.port.answer)
		switch {
		case errors.Is(err, errNoAnswer) && c.ctx.Err() == nil:
			c.link.fail(fmt.Errorf("%w: %w", errSilent, err))
			return err
		case err != nil:
			return err
		case any && c.keeps(got):
			return nil
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
