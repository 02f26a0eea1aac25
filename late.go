package weir

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/d2e2d648/weir/codec"
	"github.com/d2e2d648/weir/messages"
)

// LateSchema is an Avro schema that is not known yet when an endpoint is opened. Until Set the endpoint tells its peers WaitingForSchema with each health check, and Write and Read wait.
// It is safe for concurrent use, and for several endpoints.
type LateSchema[T any] struct {
	options []codec.Option
	known   chan struct{} // closed by Set

	mu    sync.Mutex
	text  string
	codec *codec.Avro[T] // valid when known is closed
	tell  map[*endpoint]func()
}

// AvroLater is Avro with a schema that comes later.
func AvroLater[T any](opts ...codec.Option) (Format[T], *LateSchema[T]) {
	l := &LateSchema[T]{options: opts, known: make(chan struct{}), tell: map[*endpoint]func(){}}
	return Format[T]{codec: lateCodec[T]{l}, late: l}, l
}

// Set gives the schema. A schema that does not parse, or does not fit T, is an error, and another can be set; once set, another than the same is an error.
func (l *LateSchema[T]) Set(schema string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.codec != nil && l.text == schema:
		return nil
	case l.codec != nil:
		return errSchemaSet
	}
	c, err := codec.NewAvro[T](schema, l.options...)
	if err != nil {
		return err
	}
	l.codec, l.text = c, schema
	close(l.known)
	for _, tell := range l.tell {
		tell()
	}
	l.tell = nil
	return nil
}

var errSchemaSet = errors.New("another schema was set before")

// onKnown calls tell once, when the schema is known, unless the endpoint has ended.
func (l *LateSchema[T]) onKnown(e *endpoint, tell func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.codec != nil {
		tell()
		return
	}
	l.tell[e] = tell
	context.AfterFunc(e.life, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.tell, e)
	})
}

// waitedFor says whether the schema is one that comes later and is not known yet.
func (f *Format[T]) waitedFor() bool {
	if f.late == nil {
		return false
	}
	select {
	case <-f.late.known:
		return false
	default:
		return true
	}
}

// expectedBy makes an endpoint stop telling its peers that it waits, when the schema is known.
func (f *Format[T]) expectedBy(e *endpoint) {
	if f.late != nil {
		f.late.onKnown(e, func() { e.rt.system.Root.Send(e.pid, &messages.SchemaKnown{}) })
	}
}

// await waits until the schema is known.
func (f *Format[T]) await(ctx context.Context, e *endpoint) error {
	if f.late == nil {
		return nil
	}
	select {
	case <-f.late.known:
	default:
		select {
		case <-f.late.known:
		case <-ctx.Done():
			return fmt.Errorf("channel %s: wait for the schema: %w", e.channel, ctx.Err())
		case <-e.life.Done():
			return e.ended()
		}
	}
	return f.check(e.channel, e.compat)
}

// lateCodec is the codec of a late schema. It is used only when that is known.
type lateCodec[T any] struct{ late *LateSchema[T] }

// Append implements codec.Codec.
func (c lateCodec[T]) Append(to []byte, value T) ([]byte, error) {
	return c.late.codec.Append(to, value)
}

// Decode implements codec.Codec.
func (c lateCodec[T]) Decode(body []byte) (T, error) { return c.late.codec.Decode(body) }

// ContentEncoding implements codec.Codec.
func (c lateCodec[T]) ContentEncoding() string { return "" }

// CanBeEmpty says what the schema's codec says.
func (c lateCodec[T]) CanBeEmpty() bool {
	select {
	case <-c.late.known:
		return c.late.codec.CanBeEmpty()
	default:
		return false
	}
}
