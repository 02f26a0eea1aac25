package pypz

import (
	"errors"

	"github.com/twmb/avro"
)

// Writer is RMQChannelWriter (channels.py:45).
type Writer struct {
	Channel
	data  *producer
	count int
}

// NewWriter makes a writer; it does nothing yet.
func NewWriter(opts Options) *Writer {
	w := new(Writer)
	w.init(opts)
	w.own, w.peer, w.side = w.opts.writerStream(), w.opts.readerStream(), w
	return w
}

// connect: channels.py:158.
func (w *Writer) connect() (bool, error) {
	there, err := admin(w.opts.URL, func(l *link) (bool, error) {
		if there, err := allThere(l, w.opts.Channel, w.peer, w.own); !there || err != nil {
			return false, err
		}
		return exchangeThere(l, w.opts.Channel, "")
	})
	if !there || err != nil {
		return false, err
	}
	if err := w.listen("reader-status-consumer"); err != nil {
		return false, err
	}
	if err := open(&w.data, func() (*producer, error) { return newProducer(w.opts.URL) }); err != nil {
		return false, err
	}
	return true, open(&w.statusOut, func() (*producer, error) { return newProducer(w.opts.URL) })
}

// disconnect: channels.py:211.
func (w *Writer) disconnect() error {
	var errs []error
	if w.data != nil {
		errs = append(errs, w.data.end())
	}
	if w.statusOut != nil {
		errs = append(errs, w.statusOut.end())
	}
	if w.statusIn != nil {
		errs = append(errs, w.statusIn.close())
	}
	w.data, w.statusOut, w.statusIn = nil, nil, nil
	return errors.Join(errs...)
}

func (w *Writer) links() (links []*link) {
	if w.data != nil {
		links = append(links, w.data.link)
	}
	if w.statusOut != nil {
		links = append(links, w.statusOut.link)
	}
	if w.statusIn != nil {
		links = append(links, w.statusIn.link)
	}
	return links
}

// Write publishes the records: text or bytes without a schema, else what the schema takes. Marks of acknowledgement are cleared behind it, so that an early one can be lost
// (io.py:409).
func (w *Writer) Write(records ...any) error {
	if w.data == nil {
		return errors.New("the writer is not open")
	}
	if err := w.publish(records); err != nil {
		return err
	}
	w.count += len(records)
	w.AddHealth("sentRecordCount", w.count)
	w.change(func(v *View) {
		for _, m := range v.Peers {
			delete(m.Times, Acknowledged)
		}
	})
	return nil
}

// publish: without a schema the records in front of a bad one are sent; with one, none of them (channels.py:109).
func (w *Writer) publish(records []any) error {
	if w.opts.Schema != "" {
		var err error
		if records, err = encode(w.opts.Schema, records); err != nil {
			return err
		}
	}
	for _, record := range records {
		if err := w.data.publish(w.opts.Channel, "", record); err != nil {
			return err
		}
	}
	return nil
}

func encode(schema string, records []any) ([]any, error) {
	s, err := avro.Parse(schema)
	if err != nil {
		return nil, err
	}
	bodies := make([]any, len(records))
	for i, record := range records {
		body, err := s.Encode(record)
		if err != nil {
			return nil, err
		}
		bodies[i] = body
	}
	return bodies, nil
}

// AllAcknowledged says whether all healthy peers have acknowledged their input since the last write; true when there is none (io.py:390).
func (w *Writer) AllAcknowledged() bool {
	return w.Count(func(m *Monitor) bool { return m.Healthy() && m.Times[Acknowledged] == 0 }) == 0
}

// CanClose is always true (channels.py:208).
func (w *Writer) CanClose() bool { return true }
