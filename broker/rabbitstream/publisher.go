package rabbitstream

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/d2e2d648/weir/broker"
)

const (
	maxWindow     = 1_000_000
	maxSubEntries = 65535
)

// In a frame that publishes: its head, the head of an entry, at most, and the size before a message.
const (
	publishHead = 13
	entryHead   = 19
	entryEach   = 4
)

// pieceSize is how long a frame becomes before it is written, while there is more: the broker begins while the next one is encoded.
const pieceSize = 256 << 10

// publisher is one publishing session. The session's lock guards what stands above encoder; the rest is the worker's.
type publisher struct {
	session
	config broker.PublisherConfig

	queue       []broker.Batch
	unconfirmed int
	outstanding outstanding       // those
	entries     map[uint64]uint64 // of several: the first sequence, by which the broker confirms it, and the last one

	encoder encoder
	frame   frame // that is being filled
	count   int   // its entries
	entry   entry
}

// entry is one of several messages that is being filled, the last one in the frame.
type entry struct {
	at          int // where it begins
	first, last uint64
	n           int
}

func newPublisher(config broker.PublisherConfig) *publisher {
	p := &publisher{config: config, encoder: encoder{appID: config.AppID, contentEncoding: config.ContentEncoding}}
	p.stream, p.what = config.RoutingKey, "publish to stream "+strconv.Quote(config.RoutingKey)
	if config.SubEntries > 1 {
		p.entries = map[uint64]uint64{}
	}
	if config.Name != "" {
		p.key = config.RoutingKey + "\x00" + config.Name
	}
	return p
}

// check says what of the configuration is impossible.
func (p *publisher) check() error {
	switch c := &p.config; {
	case c.Exchange != "":
		return misuse(p.what, "the exchange %q: the stream protocol has none", c.Exchange)
	case c.RoutingKey == "" || len(c.RoutingKey) > 255:
		return misuse(p.what, "a stream's name has 1 to 255 bytes")
	case c.Window < 1 || c.Window > maxWindow:
		return misuse(p.what, "the window is %d: use 1 to %d", c.Window, maxWindow)
	case len(c.Name) > 255 || len(c.AppID) > 255 || len(c.ContentEncoding) > 255:
		return misuse(p.what, "a name of more than 255 bytes")
	case c.SubEntries < 0 || c.SubEntries > maxSubEntries:
		return misuse(p.what, "SubEntries is %d: use at most %d", c.SubEntries, maxSubEntries)
	case c.SubEntries > 1 && c.Name != "":
		return misuse(p.what, "a name and sub-entries, which know no deduplication")
	}
	return nil
}

func (p *publisher) question() question {
	return question{stream: p.stream, publisher: p.config.Name}
}

func (p *publisher) declare(*findings) error {
	_, err := p.request(p.port.answer, nil, declarePublisher, "the opening", func(f frame) frame {
		return f.u8(p.number).text(p.config.Name).text(p.stream)
	})
	return err
}

func (p *publisher) goodbye() uint16 { return deletePublisher }

// pulse asks for the last sequence, which who may only write may not know; and is told so. When half of the limit has passed, a scout has the rest.
func (p *publisher) pulse(limit time.Duration) error {
	limit /= 2
	patient := func() bool { return p.link.answersOthers(p.ctx, limit) }
	_, err := p.request(limit, patient, querySequence, "the question for the last sequence", func(f frame) frame { return f.text(p.config.Name).text(p.stream) })
	var refused *refusal
	if errors.As(err, &refused) && refused.code == codeAccess {
		return nil
	}
	return err
}

// Publish is the port's.
func (p *publisher) Publish(batch broker.Batch) {
	if len(batch.Records) == 0 {
		return
	}
	p.mu.Lock()
	if p.state != open {
		p.mu.Unlock()
		return
	}
	n := p.unconfirmed + len(batch.Records)
	if batch.First > 0 && n <= p.config.Window {
		p.unconfirmed += p.outstanding.add(batch.First, batch.Last())
		p.queue = append(p.queue, batch)
		p.mu.Unlock()
		p.poke()
		return
	}
	p.mu.Unlock()
	if batch.First == 0 {
		p.endLater(misuse(p.what, "a batch with the sequence 0"))
		return
	}
	p.endLater(failure(p.what, broker.ErrWindow, fmt.Errorf("%w: %d of %d", broker.ErrWindow, n, p.config.Window)))
}

func (p *publisher) drop() { p.queue = nil }

// pump encodes what was published, and has it written a piece at a time.
func (p *publisher) pump() (time.Duration, error) {
	for {
		p.mu.Lock()
		queue := p.queue
		p.queue = nil
		p.mu.Unlock()
		if len(queue) == 0 {
			return 0, nil
		}
		for _, batch := range queue {
			for i := range batch.Records {
				if err := p.add(batch.First+uint64(i), &batch.Records[i]); err != nil {
					return 0, err
				}
			}
		}
		p.flush()
	}
}

// finish waits until the broker has read all that was published.
func (p *publisher) finish() error {
	err := p.pulse(p.port.answer)
	if errors.Is(err, errNoAnswer) && p.ctx.Err() == nil {
		p.link.fail(fmt.Errorf("%w: %w", errSilent, err))
	}
	return err
}

// add encodes the record into the frame.
func (p *publisher) add(sequence uint64, r *broker.Record) error {
	limit := p.link.frameMax
	if p.count > 0 && len(p.frame)+entryHead+entryEach+p.encoder.most(r) > limit {
		p.flush()
	}
	if p.count == 0 {
		p.frame = append(p.link.paper(), 0, 0, 0, 0, 0, publish, 0, 1, p.number, 0, 0, 0, 0)
	}
	p.append(sequence, r)
	if size := len(p.frame); size > limit {
		return failure(p.what, broker.ErrRefused, fmt.Errorf("record %d makes a frame of %d bytes with its properties: the limit is %d", sequence, size, limit))
	}
	if len(p.frame) >= pieceSize {
		p.flush()
	}
	return nil
}

// append makes the message an entry, or a part of one. Its size, and the head of an entry of several, are filled in behind it.
func (p *publisher) append(sequence uint64, r *broker.Record) {
	if p.entries != nil {
		p.partOf(sequence)
		p.frame = append(p.frame, 0, 0, 0, 0)
	} else {
		p.count++
		p.frame = append(p.frame.u64(sequence), 0, 0, 0, 0)
	}
	at := len(p.frame)
	p.frame = p.encoder.append(p.frame, sequence, r)
	binary.BigEndian.PutUint32(p.frame[at-4:], uint32(len(p.frame)-at))
}

// partOf makes room for one more in the entry, or in a new one.
func (p *publisher) partOf(sequence uint64) {
	e := &p.entry
	if e.n == p.config.SubEntries || sequence != e.last+1 {
		p.seal()
	}
	if e.n == 0 {
		e.at, e.first = len(p.frame), sequence
		p.frame = append(p.frame, make([]byte, entryHead)...)
		p.count++
	}
	e.n++
	e.last = sequence
}

// seal fills in the head of the entry. It is not compressed.
func (p *publisher) seal() {
	e := &p.entry
	if e.n == 0 {
		return
	}
	size := uint32(len(p.frame) - e.at - entryHead)
	_ = p.frame[:e.at].u64(e.first).u8(severalRecords | packedNot<<4).u16(uint16(e.n)).u32(size).u32(size)
	e.n = 0
	p.mu.Lock()
	p.entries[e.first] = e.last
	p.mu.Unlock()
}

// flush has the frame written.
func (p *publisher) flush() {
	if p.count == 0 {
		return
	}
	p.seal()
	binary.BigEndian.PutUint32(p.frame[publishHead-4:], uint32(p.count))
	p.link.say(p.frame.sealed())
	p.frame, p.count = nil, 0
}

// take takes confirms, and refusals of single records.
func (p *publisher) take(key uint16, f *fields) {
	if key == publishError {
		f.u32()
		f.u64()
		p.fail(&refusal{f.u16(), "a record"})
		return
	}
	p.mu.Lock()
	events := p.confirmed(f)
	p.heard = time.Now()
	over := p.state == over
	p.mu.Unlock()
	switch {
	case f.short:
		p.fail(errFrame)
	case !over && len(events) > 0:
		p.Tell(events...)
	}
}

// confirmed gives in ranges what the broker has now. What is not outstanding does not count. The session's lock is held.
func (p *publisher) confirmed(f *fields) (events []broker.Event) {
	var r broker.Range
	for ids := f.take(8 * int(f.u32())); !f.short && len(ids) > 0; ids = ids[8:] {
		from := binary.BigEndian.Uint64(ids)
		to, known := p.endOf(from)
		switch {
		case !known:
		case from == r.Last+1:
			r.Last = to
		case to+1 == r.First:
			r.First = from
		default:
			events = p.settle(events, r)
			r = broker.Range{First: from, Last: to}
		}
	}
	return p.settle(events, r)
}

// settle takes a range for confirmed.
func (p *publisher) settle(events []broker.Event, r broker.Range) []broker.Event {
	p.outstanding.take(r.First, r.Last, func(first, last uint64) {
		p.unconfirmed -= int(last - first + 1)
		events = append(events, &broker.Confirmed{First: first, Last: last})
	})
	return events
}

// endOf is the last sequence of the entry that begins there.
func (p *publisher) endOf(first uint64) (last uint64, known bool) {
	if p.entries == nil {
		return first, true
	}
	last, known = p.entries[first]
	delete(p.entries, first)
	return last, known
}
