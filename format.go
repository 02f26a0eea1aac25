package weir

import (
	"errors"
	"fmt"

	"github.com/d2e2d648/weir/codec"
)

// Format says how records of type T become message bodies and back. A format that cannot be made (a schema that does not parse) says so when a channel is
// opened with it.
type Format[T any] struct {
	codec codec.Codec[T]
	err   error
	late  *LateSchema[T]
}

// check says why a channel cannot be opened with the format.
func (f *Format[T]) check(channel string, compat bool) error {
	switch schema, ok := f.codec.(interface{ CanBeEmpty() bool }); {
	case f.err != nil:
		return fmt.Errorf("open channel %s: %w", channel, f.err)
	case f.codec == nil:
		return fmt.Errorf("open channel %s: %w", channel, errNoCodec)
	case compat && ok && schema.CanBeEmpty(): // of a late schema that is not known yet: no
		return fmt.Errorf("open channel %s: %w", channel, errEmptyBodies)
	}
	return nil
}

var (
	errNoCodec     = errors.New("the format has no codec")
	errEmptyBodies = errors.New("records of this schema can be encoded as nothing, which pypz peers take for text: not with Compat")
)

// Avro is the bare binary encoding of one datum, with that schema on both sides: the writer's is not resolved against the reader's.
func Avro[T any](schema string, opts ...codec.Option) Format[T] {
	c, err := codec.NewAvro[T](schema, opts...)
	if err != nil {
		return Format[T]{err: err}
	}
	return Format[T]{codec: c}
}

// Text is UTF-8 text, marked as such for pypz peers.
func Text() Format[string] { return Format[string]{codec: codec.Text()} }

// Raw is the body as it is. What a reader hands over is the reader's own; what a writer is given must not be changed until its Write has returned.
func Raw() Format[[]byte] { return Format[[]byte]{codec: codec.Raw()} }

// Custom is a codec of yours.
func Custom[T any](c codec.Codec[T]) Format[T] { return Format[T]{codec: c} }
