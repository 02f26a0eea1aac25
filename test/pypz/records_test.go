package pypz_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/twmb/avro"

	"github.com/d2e2d648/weir"
	"github.com/d2e2d648/weir/test/pypz"
)

const orderSchema = `{"type": "record", "name": "Order", "fields": [{"name": "n", "type": "long"}, {"name": "text", "type": "string"}, {"name": "maybe", "type": ["null", "double"]}]}`

type order struct {
	N     int64    `avro:"n"`
	Text  string   `avro:"text"`
	Maybe *float64 `avro:"maybe"`
}

// sample is records as both sides have them, and their bytes.
type sample[T any] struct {
	name     string
	format   weir.Format[T]
	schema   string
	encoding string // content_encoding on the wire
	values   []T
	pypz     []any
	bodies   [][]byte
}

// many is more than a poll, and more than the prefetch.
const many = 250

func text() (a sample[string]) {
	a.name, a.format, a.encoding = "text", weir.Text(), "utf-8"
	for i := range many {
		v := fmt.Sprintf("zwölf %d 😀\x00\n", i)
		if i == 7 {
			v = ""
		}
		a.values, a.pypz, a.bodies = append(a.values, v), append(a.pypz, v), append(a.bodies, []byte(v))
	}
	return a
}

func raw() (a sample[[]byte]) {
	a.name, a.format = "bytes", weir.Raw()
	for i := range many {
		v := bytes.Repeat([]byte{byte(i), 0xff, 0}, i%70+1)
		a.values, a.pypz, a.bodies = append(a.values, v), append(a.pypz, v), append(a.bodies, v)
	}
	return a
}

func orders() (a sample[order]) {
	a.name, a.format, a.schema = "avro", weir.Avro[order](orderSchema), orderSchema
	schema := avro.MustParse(orderSchema)
	for i := range many {
		v := order{N: int64(i) << (i % 60), Text: fmt.Sprint("zwölf ", i)}
		p := map[string]any{"n": v.N, "text": v.Text, "maybe": nil}
		if i%3 == 0 {
			half := float64(i) / 2
			v.Maybe, p["maybe"] = &half, half
		}
		body, err := schema.Encode(p)
		if err != nil {
			panic(err)
		}
		a.values, a.pypz, a.bodies = append(a.values, v), append(a.pypz, p), append(a.bodies, body)
	}
	return a
}

func (a *sample[T]) withSchema(o *pypz.Options) { o.Schema = a.schema }

// Who makes the channel: each pair in each order, and then the other side declares it, too. Nobody may meet a 406.
type making struct {
	name   string
	weir   []weir.Option // of the weir reader; a weir writer adds Create where weir makes the channel
	before bool          // pypz makes it before weir opens; otherwise it declares it again behind
	joins  bool          // weir declares nothing
}

func makings() []making {
	return []making{
		{name: "weir, then pypz", weir: []weir.Option{weir.Compat()}},
		{name: "pypz, then weir", weir: []weir.Option{weir.Compat()}, before: true},
		{name: "pypz alone", weir: []weir.Option{weir.Compat(), weir.JoinOnly()}, before: true, joins: true},
		{name: "pypz, then weir in its own way", before: true},
	}
}

func TestFromPypzToWeir(t *testing.T) {
	each(t, func(s *scene) {
		for i, m := range makings() {
			// each format in turn, all of them in the first
			if i == 0 || i%3 == 0 {
				fromPypz(s, m, text())
			}
			if i == 0 || i%3 == 1 {
				fromPypz(s, m, raw())
			}
			if i == 0 || i%3 == 2 {
				fromPypz(s, m, orders())
			}
		}
	})
}

func fromPypz[T any](s *scene, m making, a sample[T]) {
	s.Run(m.name+"/"+a.name, func(t *testing.T) {
		s := newScene(t, s.node)
		if m.before {
			s.createdByPypz()
		}
		r := openWeirReader(s, s.rt, "r", a.format, m.weir...)
		if !m.before {
			s.createdByPypz()
		}
		w := s.openWriter("w", a.withSchema)
		s.must(w.Write(a.pypz...))
		values, bodies := readWeir(s, r, len(a.values))
		for i := range a.values {
			if !bytes.Equal(bodies[i], a.bodies[i]) || fmt.Sprintf("%#v", deref(values[i])) != fmt.Sprintf("%#v", deref(a.values[i])) {
				t.Fatalf("record %d: %#v (%x), want %#v (%x)", i, values[i], bodies[i], a.values[i], a.bodies[i])
			}
		}
	})
}

// deref lets records be compared by what they point to.
func deref(v any) any {
	if o, ok := v.(order); ok && o.Maybe != nil {
		return fmt.Sprint(o.N, o.Text, *o.Maybe)
	}
	return v
}

func TestFromWeirToPypz(t *testing.T) {
	each(t, func(s *scene) {
		for i, m := range makings() {
			if i == 0 || i%3 == 0 {
				fromWeir(s, m, text())
			}
			if i == 0 || i%3 == 1 {
				fromWeir(s, m, raw())
			}
			if i == 0 || i%3 == 2 {
				fromWeir(s, m, orders())
			}
		}
	})
}

func fromWeir[T any](s *scene, m making, a sample[T]) {
	s.Run(m.name+"/"+a.name, func(t *testing.T) {
		s := newScene(t, s.node)
		opts := m.weir
		switch {
		case m.joins:
			opts = nil // a writer declares nothing unless it is told to
		default:
			opts = append([]weir.Option{weir.Create()}, opts...)
		}
		if m.before {
			s.createdByPypz()
		}
		w := openWeirWriter(s, s.rt, "w", a.format, opts...)
		if !m.before {
			s.createdByPypz()
		}
		r := s.openReader("r", a.withSchema)
		s.must(w.Write(s.ctx, a.values...))
		for i, record := range s.readPypz(r, len(a.values)) {
			if !bytes.Equal(record.Body, a.bodies[i]) || record.Encoding != a.encoding || fmt.Sprint(record.Value) != fmt.Sprint(a.pypz[i]) {
				t.Fatalf("record %d: %v (%x, %q), want %v (%x, %q)", i, record.Value, record.Body, record.Encoding, a.pypz[i], a.bodies[i], a.encoding)
			}
		}
	})
}

// A writer of either side that comes first is "not yet" open, and opens when a reader of the other has made the channel.
func TestWriterComesFirst(t *testing.T) {
	each(t, func(s *scene) {
		w := s.writer("w")
		s.notYet("open before there is anything")(w.Open())
		r := s.weirReader("r", weir.Compat())
		s.done("open")(w.Open())
		s.must(w.Write("a"))
		readWeir(s, r, 1)
	})
}

func TestWeirWriterComesFirst(t *testing.T) {
	each(t, func(s *scene) {
		opened := make(chan *weir.Writer[string], 1)
		events := s.rt.Subscribe()
		defer events.Close()
		go func() {
			w, _ := weir.OpenWriter(s.ctx, s.rt, s.channel, weir.Text(), weir.Name("w"), weir.HealthInterval(quick))
			opened <- w
		}()
		untilWaiting(s, events)
		r := s.reader("r")
		s.done("create")(r.CreateResources())
		s.done("open")(r.Open())
		r.InitOffset()
		w := <-opened
		if w == nil {
			s.Fatal("the writer did not open")
		}
		s.must(w.Write(s.ctx, "a"))
		s.readPypz(r, 1)
	})
}
