package pypz

import (
	"errors"
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/twmb/avro"
)

// NotInitialised is the read offset of a reader before InitOffset (io.py:43).
const NotInitialised = -9999

// Reader is RMQChannelReader (channels.py:251).
type Reader struct {
	Channel
	data *consumer

	count, offset, initial, committed int
}

// Record is one record as the reader got it.
type Record struct {
	Body     []byte
	Encoding string // content_encoding
	// Value is what a pypz port hands over: text, bytes, or with a schema the datum.
	Value any
}

// NewReader makes a reader; it does nothing yet.
func NewReader(opts Options) *Reader {
	r := &Reader{offset: NotInitialised}
	r.init(opts)
	r.own, r.peer, r.side = r.opts.readerStream(), r.opts.writerStream(), r
	return r
}

// CreateResources declares what the channel needs. The port lets only the principal do it; a channel does not check.
func (r *Reader) CreateResources() (bool, error) {
	if err := r.opts.check(); err != nil {
		return false, err
	}
	return admin(r.opts.URL, func(l *link) (bool, error) { return create(l, &r.opts) })
}

// DeleteResources deletes it again: false is "not yet", something is still used. A port does this 5 s after its Close (ports.py:324).
func (r *Reader) DeleteResources() (bool, error) {
	if err := r.opts.check(); err != nil {
		return false, err
	}
	return admin(r.opts.URL, func(l *link) (bool, error) { return remove(l, &r.opts) })
}

func (r *Reader) connect() (bool, error) {
	there, err := admin(r.opts.URL, func(l *link) (bool, error) { return allThere(l, r.opts.dataQueue(), r.own, r.peer) })
	if !there || err != nil {
		return false, err
	}
	if err := r.listen("writer-status-consumer"); err != nil {
		return false, err
	}
	if !r.opts.Silent {
		if err := open(&r.data, r.consume); err != nil {
			return false, err
		}
	}
	return true, open(&r.statusOut, func() (*producer, error) { return newProducer(r.opts.URL) })
}

func (r *Reader) consume() (*consumer, error) {
	c, err := newConsumer(r.opts.URL, "data-consumer", r.opts.MaxPoll)
	if err != nil {
		return nil, err
	}
	if err := c.subscribe(r.opts.dataQueue(), nil); err != nil {
		return nil, errors.Join(err, c.close())
	}
	return c, nil
}

// disconnect: channels.py:585.
func (r *Reader) disconnect() error {
	var errs []error
	if r.data != nil {
		errs = append(errs, r.data.close())
	}
	if r.statusOut != nil {
		errs = append(errs, r.statusOut.end())
	}
	if r.statusIn != nil {
		errs = append(errs, r.statusIn.close())
	}
	r.data, r.statusOut, r.statusIn = nil, nil, nil
	return errors.Join(errs...)
}

func (r *Reader) links() (links []*link) {
	if r.data != nil {
		links = append(links, r.data.link)
	}
	if r.statusOut != nil {
		links = append(links, r.statusOut.link)
	}
	if r.statusIn != nil {
		links = append(links, r.statusIn.link)
	}
	return links
}

// CanClose looks at the peers. The port closes its channel only then (channels.py:343).
func (r *Reader) CanClose() (bool, error) {
	if !r.opts.principal() || r.opts.Group == "" {
		return true, nil
	}
	if err := r.Update(); err != nil {
		return false, err
	}
	if r.Count(nil) == 0 {
		return true, nil
	}
	finished := r.Count(func(m *Monitor) bool { return m.Group == r.opts.Group && m.Finished() })
	return finished == r.opts.Size-1, nil
}

// Read polls for records. With a schema, one that is no datum is an error, and all of the poll are lost to the caller: the next commit acknowledges them (channels.py:372).
func (r *Reader) Read() ([]Record, error) {
	if r.data == nil {
		return nil, errors.New("a silent reader has no data consumer")
	}
	got, err := r.data.poll(r.opts.DataSilence)
	if err != nil {
		return nil, err
	}
	records := make([]Record, len(got))
	for i := range got {
		if records[i], err = r.record(&got[i]); err != nil {
			return nil, fmt.Errorf("record %d of %d: %w", i, len(got), err)
		}
	}
	if len(records) > 0 { // io.py:206
		r.count += len(records)
		r.offset += len(records)
		r.AddHealth("receivedRecordCount", r.count)
	}
	return records, nil
}

func (r *Reader) record(d *amqp.Delivery) (Record, error) {
	rec := Record{Body: d.Body, Encoding: d.ContentEncoding, Value: d.Body}
	// py-amqp decodes what has a content_encoding, and takes an empty body for text.
	text := d.ContentEncoding != "" || len(d.Body) == 0
	if text {
		rec.Value = string(d.Body)
	}
	if r.opts.Schema == "" {
		return rec, nil
	}
	if text {
		return rec, fmt.Errorf("content_encoding %q, %d bytes: text where a datum is expected", d.ContentEncoding, len(d.Body))
	}
	schema, err := avro.Parse(r.opts.Schema)
	if err != nil {
		return rec, err
	}
	_, err = schema.Decode(d.Body, &rec.Value) // what is left behind the datum is ignored
	return rec, err
}

// HasRecords: channels.py:369.
func (r *Reader) HasRecords() (bool, error) {
	if r.data == nil {
		return false, errors.New("a silent reader has no data consumer")
	}
	return r.data.hasRecords()
}

// CanRetrieve is the port's question whether more can come, with so many writers expected. It counts those who have finished first (ports.py:287).
func (r *Reader) CanRetrieve(expected int) (bool, error) {
	finished := r.strangers((*Monitor).Finished)
	more, err := r.HasRecords()
	return more || expected > finished, err
}

// InitOffset is set_initial_record_offset_auto: queues have no offsets, and -1 says that nothing was committed yet (channels.py:336).
func (r *Reader) InitOffset() { r.initial, r.committed, r.offset = -1, -1, -1 }

// Offset gives the offset of the last record that was read.
func (r *Reader) Offset() int { return r.offset }

// Commit acknowledges all that was delivered, whatever the offset, unless it is the last one committed (io.py:263).
func (r *Reader) Commit(offset int) error {
	if offset+r.initial > r.offset {
		return fmt.Errorf("offset is out of range: %d; current read offset: %d", offset+r.initial, r.offset)
	}
	return r.commit(offset + r.initial)
}

// CommitCurrent commits what was read (io.py:301).
func (r *Reader) CommitCurrent() error { return r.commit(r.offset) }

func (r *Reader) commit(offset int) error {
	if offset == r.committed {
		return nil
	}
	if err := r.data.commit(); err != nil {
		return err
	}
	r.committed = offset
	return nil
}

// Acknowledge tells the writers that the input was taken (io.py:186).
func (r *Reader) Acknowledge() error { return r.say(Acknowledged, nil) }
