package embedded

import (
	"slices"
	"sort"
	"time"

	"github.com/d2e2d648/weir/broker"
)

// log is a stream's contents: chunks, each a batch as it was published. Nothing is taken out by consumers; retention drops whole chunks
// from the front.
type log struct {
	options broker.QueueOptions
	chunks  []chunk
	end     uint64 // the next record's offset
	bytes   int64

	sequences map[string]uint64 // the greatest of each publisher's name (rule 21)
	offsets   map[string]uint64 // stored under each consumer's name (rule 22)
}

type chunk struct {
	first uint64 // offset
	came  time.Duration
	from  *origin
	batch broker.Batch
	bytes int64
}

func (l *log) append(from *origin, batch broker.Batch, now time.Duration) {
	c := chunk{first: l.end, came: now, from: from, batch: batch}
	for i := range batch.Records {
		c.bytes += int64(len(batch.Records[i].Body))
	}
	l.chunks = append(l.chunks, c)
	l.end += uint64(len(batch.Records))
	l.bytes += c.bytes
	l.retain(now)
}

// last is the greatest sequence under the name; 0 when there is none, as on a nil log.
func (l *log) last(name string) uint64 {
	if l == nil {
		return 0
	}
	return l.sequences[name]
}

// fresh takes those of the batch's records into the name's account that it does not have, and gives them.
func (l *log) fresh(name string, batch broker.Batch) broker.Batch {
	if last := l.last(name); last >= batch.First {
		known := min(last-batch.First+1, uint64(len(batch.Records)))
		batch = broker.Batch{First: batch.First + known, Records: batch.Records[known:]}
	}
	if len(batch.Records) > 0 {
		if l.sequences == nil {
			l.sequences = map[string]uint64{}
		}
		l.sequences[name] = batch.Last()
	}
	return batch
}

func (l *log) store(name string, offset uint64) {
	if l.offsets == nil {
		l.offsets = map[string]uint64{}
	}
	l.offsets[name] = offset
}

// begin gives the offset where a consumer begins, and the one behind what is stored under its name; 0: nothing.
func (l *log) begin(c *consumer) (next, stored uint64) {
	name := c.config.Name
	offset, ok := l.offsets[name]
	if ok {
		stored = offset + 1
	}
	if ok && !c.config.IgnoreStored {
		return max(stored, l.first()), stored
	}
	next = l.find(c.config.Stream, c.b)
	if !ok && name != "" && c.config.Mark && next > 0 {
		l.store(name, next-1)
		stored = next
	}
	return next, stored
}

// retain drops the oldest chunks of what is too much or too old.
func (l *log) retain(now time.Duration) {
	n := 0
	for o := &l.options; n < len(l.chunks)-1; n++ {
		c := &l.chunks[n]
		if !(o.MaxBytes > 0 && l.bytes > o.MaxBytes || o.MaxLength > 0 && l.end-c.first > uint64(o.MaxLength) || o.MaxAge > 0 && c.came+o.MaxAge < now) {
			break
		}
		l.bytes -= c.bytes
		*c = chunk{}
	}
	l.chunks = l.chunks[n:] // the array behind them goes when append needs a larger one
}

// first is the offset of the first record that is kept; end when there is none.
func (l *log) first() uint64 {
	if len(l.chunks) == 0 {
		return l.end
	}
	return l.chunks[0].first
}

func (l *log) length() int { return int(l.end - l.first()) }

// find gives the offset where to begin. Without a StreamOffset it is what comes from now on.
func (l *log) find(from *broker.StreamOffset, b *Broker) uint64 {
	switch {
	case from == nil || from.From == broker.FromNext || len(l.chunks) == 0 && from.From != broker.FromOffset:
		return l.end
	case from.From == broker.FromLast:
		return l.chunks[len(l.chunks)-1].first
	case from.From == broker.FromOffset:
		return min(max(from.Offset, l.first()), l.end) // RabbitMQ clamps to what there is, too
	case from.From == broker.FromTime:
		since := from.Time.Sub(b.epoch)
		i := sort.Search(len(l.chunks), func(i int) bool { return l.chunks[i].came >= since })
		if i == len(l.chunks) {
			return l.end
		}
		return l.chunks[i].first
	}
	return l.first()
}

// deliver gives a consumer what it has room for.
func (l *log) deliver(c *consumer) {
	c.offset = max(c.offset, l.first())
	for c.offset < l.end {
		n := int(min(uint64(c.credit()), uint64(c.config.MaxBatch), l.end-c.offset))
		if n == 0 {
			return
		}
		records := l.read(c.offset, n, c.config.Properties)
		for i := range records {
			c.lastTag++
			c.unsettled.add(c.lastTag, message{})
			if c.config.Name != "" {
				c.offsets.Add(c.lastTag, records[i].Offset)
			}
		}
		c.offset += uint64(n)
		c.tellDelivered(records)
	}
}

// read gives n records from the offset on, which are all there.
func (l *log) read(offset uint64, n int, properties bool) []broker.Record {
	records := make([]broker.Record, 0, n)
	i, found := slices.BinarySearchFunc(l.chunks, offset, func(c chunk, offset uint64) int {
		switch {
		case c.first < offset:
			return -1
		case c.first > offset:
			return 1
		}
		return 0
	})
	if !found {
		i-- // it is within the chunk that begins before it
	}
	for ; len(records) < n; i++ {
		c := &l.chunks[i]
		for k := offset - c.first; k < uint64(len(c.batch.Records)) && len(records) < n; k++ {
			own := &c.batch.Records[k]
			r := broker.Record{Body: own.Body, Offset: offset}
			if properties {
				r.Properties = wireProperties(own.Properties, c.from, c.batch.First+k)
			}
			records = append(records, r)
			offset++
		}
	}
	return records
}
