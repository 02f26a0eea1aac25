package codec

import (
	"errors"
	"io"
	"math"
	"reflect"

	"github.com/hamba/avro/v2"
	"github.com/modern-go/reflect2"
)

// library is the Avro library's part: its coders of one schema and one type, made once. Its own Marshal and Unmarshal look
// them up for each value, by a fingerprint of 32 bytes, which is a third of the time that a small record takes; and what
// Marshal gives is a copy that would be copied again.
type library[T any] struct {
	schema  avro.Schema
	api     avro.API
	encoder avro.ValEncoder // nil: to be looked up for each value, since T is an interface
	decoder avro.ValDecoder
	// direct: an interface holds a T itself, not its address, and so the library's encoder wants it. A pointer, a map, or a
	// struct or array of one of these.
	direct bool
	// custom: T has text methods of its own, which are given the address of what they fill, and may keep it.
	custom bool
	pool   pool
}

// newAPI makes a configuration of the library for one codec. One each: the library remembers coders by a fingerprint
// that leaves out defaults and aliases. Blocks are unlimited and have no size, which is what pypz writes; its own limits
// are moved out of the way of ours.
func newAPI(lim Limits) avro.API {
	return avro.Config{
		BlockLength:            math.MaxInt32,
		DisableBlockSizeHeader: true,
		MaxByteSliceSize:       max(lim.MaxBody, 1),
	}.Freeze()
}

func newLibrary[T any](schema avro.Schema, lim Limits, custom bool) *library[T] {
	l := &library[T]{schema: schema, api: newAPI(lim), custom: custom}
	t := reflect.TypeFor[T]()
	l.decoder = orNil(func() avro.ValDecoder { return l.api.DecoderOf(schema, reflect2.Type2(reflect.PointerTo(t))) })
	if t.Kind() != reflect.Interface {
		l.direct = reflect2.Type2(t).LikePtr()
		l.encoder = orNil(func() avro.ValEncoder { return l.api.EncoderOf(schema, reflect2.Type2(t)) })
	}
	return l
}

// orNil makes a coder. The library panics on a few that cannot be (the encoder of a struct that lacks a field, of a null
// default and three branches): then each value that needs it panics again, which is its error. The other direction works.
func orNil[C any](coder func() C) (c C) {
	var err error
	defer caught(&err)
	return coder()
}

// scratch is what one call works with, and leaves to the next. The value is in it since the library's coders want an address,
// which would move each call's value to the heap.
type scratch[T any] struct {
	writer *avro.Writer
	reader *avro.Reader
	value  T
}

func (l *library[T]) borrow() *scratch[T] {
	if s, ok := l.pool.get().(*scratch[T]); ok {
		return s
	}
	return &scratch[T]{
		writer: avro.NewWriter(nil, 512, avro.WithWriterConfig(l.api)),
		reader: avro.NewReader(nil, 0, avro.WithReaderConfig(l.api)),
	}
}

// giveBack keeps nothing of the value alive, nor of the body.
func (l *library[T]) giveBack(s *scratch[T]) {
	var zero T
	s.value = zero
	s.writer.Reset(nil)
	s.writer.Error = nil
	s.reader.Reset(nil)
	s.reader.Error = nil
	l.pool.put(s)
}

// encode leaves the encoding of the scratch's value in its writer.
func (l *library[T]) encode(s *scratch[T]) (err error) {
	defer caught(&err)
	switch {
	case l.encoder == nil:
		s.writer.WriteVal(l.schema, s.value)
	case l.direct:
		l.encoder.Encode(reflect2.PtrOf(s.value), s.writer)
	default:
		l.encoder.Encode(reflect2.PtrOf(&s.value), s.writer)
	}
	return s.writer.Error
}

// target is a zero value to decode into.
func (l *library[T]) target(s *scratch[T]) *T {
	if l.custom {
		return new(T)
	}
	return &s.value
}

func (l *library[T]) decode(s *scratch[T], body []byte, to *T) (err error) {
	defer caught(&err)
	s.reader.Reset(body)
	if l.decoder == nil {
		s.reader.ReadVal(l.schema, to)
	} else {
		l.decoder.Decode(reflect2.PtrOf(to), s.reader)
	}
	if errors.Is(s.reader.Error, io.EOF) { // as Unmarshal does
		return nil
	}
	return s.reader.Error
}
