package supervisor

import (
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/d2e2d648/weir/actors"
	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/messages"
)

// Defaults of a Config with a Stream: there a batch costs the broker the same, whatever is in it. What is published beyond DefaultStreamWindow only waits in the broker, at a tenth more of its CPU
// for each record, unless the way there is longer than some 3 ms. Entries of several records are as many fewer.
const (
	DefaultStreamWindow  = 2000
	DefaultEntriesWindow = 10_000
	DefaultStreamPoll    = 1000
)

// Stream has the channel's records carried by a stream, an append-only log: in the order written, kept when they were read, with an offset each. Every reader gets all of them, from where
// it begins on, at its own pace: there is nothing to share, and FanOut and Ordered change nothing.
//
// A writer publishes under its Name, and the broker drops what it has under that name already, so that an incident leaves no duplicates. While it does, it holds the name: another that wants
// it is refused (actors.ErrNameInUse). A reader's commits are stored at the broker under its Name, and a reader of that name goes on behind them.
type Stream struct {
	// Start is where a reader begins under whose name no offset is stored. The zero value is the first record that is kept. That it has begun there is stored, too, unless that is at offset 0: so a
	// reader that began at the end and dies before its first commit misses nothing when it comes back under its name.
	Start broker.StreamOffset
	// IgnoreStored has it begin there anyway. It stores its commits all the same.
	IgnoreStored bool
	// SubEntries, when above 1, has a writer pack so many records into one entry, at most 65,535: more throughput. The broker does not deduplicate such entries, so the writer needs no
	// exclusive name.
	SubEntries int
	// MaxAge and MaxBytes bound what is kept, of the stream that Create makes; 0: unbounded. SegmentBytes is how much goes at a time; 0: the broker's choice.
	MaxAge                 time.Duration
	MaxBytes, SegmentBytes int64
}

// DefaultWindow is what a Config.Window of 0 means.
func (s *Stream) DefaultWindow() int {
	if s.SubEntries > 1 {
		return DefaultEntriesWindow
	}
	return DefaultStreamWindow
}

func (s *Stream) check(c *Config) error {
	switch {
	case c.Compat:
		return errors.New("config: Stream with Compat: pypz knows queues only")
	case s.SubEntries < 0 || s.SubEntries > 65535:
		return fmt.Errorf("config: %d records in a sub-entry: it must be within 0 and 65535", s.SubEntries)
	case s.MaxAge < 0 || s.MaxBytes < 0 || s.SegmentBytes < 0:
		return errors.New("config: a stream's retention is negative")
	}
	return nil
}

// named says whether the broker drops what it has under the writer's name already.
func (s *Stream) named() bool { return s.SubEntries <= 1 }

// streamResources are the channel's, with a stream in place of exchange and queues.
func (c *Config) streamResources() actors.Resources {
	return actors.Resources{RoutingKey: c.Channel, Queue: c.Channel, Queues: []string{c.Channel},
		QueueOptions: broker.QueueOptions{Type: broker.Stream, MaxAge: c.Stream.MaxAge, MaxBytes: c.Stream.MaxBytes, SegmentBytes: c.Stream.SegmentBytes}}
}

// sequences says which sequence of its name a stream's writer gives to which of its account: they go on where an earlier life of the writer ended.
type sequences struct {
	named bool
	known bool
	base  uint64 // all of the name's at or below are not this writer's
}

// sequenceGap is left between what the broker has of a name and what a writer begins with. An earlier life of the writer may have been killed with records on their way, which arrive when this one has begun:
// with sequences that it would use, too, the broker would take this one's records for those. It is more than any window. That does not tell apart two lives before any record of the name has arrived; the time
// does, so a life begins at it, in steps of which no writer fills one in a millisecond.
const (
	sequenceGap   = 1 << 32
	sequencesOfMs = 1 << 20
)

var errNameShared = errors.New("more was published under the writer's name than by this writer: another had it at the same time, and of the records of two the broker drops some that it confirms")

// opened takes in the last sequence that the broker has. It gives up to which sequence of the account that settles what was unknown, or why the writer must not go on.
func (s *sequences) opened(last, sent uint64, now time.Time) (confirmed uint64, err error) {
	switch {
	case !s.named:
		return 0, nil
	case !s.known:
		s.base, s.known = max(last+sequenceGap, uint64(max(0, now.UnixMilli()))*sequencesOfMs), true
		return 0, nil
	case last > s.base+sent:
		return 0, errNameShared
	case last <= s.base: // nothing of ours, or a stream that was made anew
		return 0, nil
	}
	return last - s.base, nil
}

// position is where a stream's reader is: everything is in offsets.
type position struct {
	known  bool
	marked bool   // the broker had stored that it began, or more
	start  uint64 // where the reader began
	next   uint64 // where its next incarnation begins: behind what was committed
	seen   uint64 // all below were delivered to some incarnation
	// all below were handed over by some incarnation
	handed uint64
	sum    uint32    // of the record before next, when anything is committed
	short  time.Time // since when the stream has been too short for that; zero: it is not
}

// shortFor is how long a stream that is shorter than before is taken for the same one. On a cluster, whoever leads it since a moment ago does not know of its end what no other node has told it again.
const shortFor = 10 * time.Second

// opened takes in what a session's opening has told. An error says that it is another stream than before, or may be. Where nothing is committed it is not waited for: what has grown meanwhile could not be told from the
// old one. What was stored goes with its stream, or when that is cut off in front behind it: either way all that is kept is new.
func (p *position) opened(m *messages.Ready, now time.Time) error {
	switch {
	case !p.known:
		*p = position{known: true, marked: m.Stored > 0 && m.Stored >= m.Next, start: m.Next, next: m.Next, handed: m.Next}
	case p.marked && m.Stored == 0:
		p.anew()
		return errStreamAnew
	case m.End >= p.next:
		p.short = time.Time{}
		p.marked = p.marked || m.Stored > p.start
	case p.next > p.start && p.short.IsZero():
		p.short = now
		return errStreamShort
	case p.next > p.start && now.Sub(p.short) < shortFor:
		return errStreamShort
	default:
		p.anew()
		return errStreamAnew
	}
	return nil
}

// anew: of a stream that was made anew everything is new.
func (p *position) anew() { *p = position{known: p.known} }

var errStreamAnew = errors.New("the stream is not the one that was read before: it was deleted and made anew, so it is read from its beginning")

func (p *position) committed(at place) { p.next, p.sum = at.offset+1, at.sum }

var errStreamShort = errors.New("the stream ends before what was read of it: whoever leads it may not know its end yet, or it was made anew")

// place is where a record is in its stream, and a checksum of it: the same offset of a stream that was made anew has another record.
type place struct {
	offset uint64
	sum    uint32
}

// places are those of a session's records that are not acknowledged.
type places struct {
	offsets broker.Offsets
	first   uint64 // tag of sums[0]
	sums    []uint32
}

func (p *places) add(m *messages.Delivered) {
	if len(p.sums) == 0 {
		p.first = m.First
	}
	for i := range m.Records {
		p.offsets.Add(m.First+uint64(i), m.Records[i].Offset)
		p.sums = append(p.sums, checksum(m.Records[i].Body))
	}
}

// checksum is by the table that every processor has in hardware; it is made once.
func checksum(body []byte) uint32 { return crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)) }

// of gives a tag's, and lets go of all up to it. Tags rise.
func (p *places) of(tag uint64) place {
	n := tag - p.first
	at := place{p.offsets.Of(tag), p.sums[n]}
	p.first, p.sums = tag+1, p.sums[n+1:]
	return at
}

// from says where the next session begins, and whether what is stored does not matter.
func (p *position) from(s *Stream) (broker.StreamOffset, bool) {
	if !p.known {
		return s.Start, s.IgnoreStored
	}
	return broker.StreamOffset{From: broker.FromOffset, Offset: p.again()}, true
}

// again is where all sessions but the first begin: with the last record that was committed, so that this is stored again: the session that was to store it may have failed before it could.
func (p *position) again() uint64 {
	if p.next > p.start {
		return p.next - 1
	}
	return p.next
}

// delivered marks the records that were delivered before, which the broker does not know, and says how many, which come first, are committed already.
func (p *position) delivered(records []broker.Record) (committed int) {
	for i := range records {
		records[i].Redelivered = records[i].Offset < p.seen
		if records[i].Offset < p.next {
			committed++
		}
	}
	p.seen = max(p.seen, records[len(records)-1].Offset+1)
	return committed
}

// another says whether the record is not the one that was committed last, though it is at its place.
func (p *position) another(r *broker.Record) bool {
	return p.next > p.start && r.Offset == p.next-1 && checksum(r.Body) != p.sum
}

// onStreamed takes in a stream's records, which come in the order of their offsets.
func (r *Reader) onStreamed(ctx actor.Context, m *messages.Delivered) {
	if r.position.another(&m.Records[0]) {
		r.position.anew()
		r.replace(ctx, r.data, &actors.Failure{Err: errStreamAnew})
		return
	}
	r.account.places.add(m)
	if n := r.position.delivered(m.Records); n > 0 {
		first := m.First
		r.account.skip(m, n)
		if !r.tooLate() {
			r.acknowledge(ctx, first, m.First-1)
		}
	}
	if len(m.Records) > 0 {
		r.account.delivered(m)
	}
}

// mayMend says whether another try may mend what a child has failed by. A name in use may be in that of its predecessor, whose end the broker has not seen yet; but who cannot have had it is not kept
// waiting for long.
func (c *channel) mayMend(k *child, err error) bool {
	if errors.Is(err, actors.ErrNameInUse) {
		return c.ready || k.nameless < k.failures || k.grace.total(c.now()) < nameWithin
	}
	return !broker.Permanent(err) && !errors.Is(err, errNameShared)
}

// nameWithin is how long a writer that opens tries to get its name.
const nameWithin = 2 * time.Second
