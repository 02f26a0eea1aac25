// Package codec turns records into message bodies and back: Avro (the bare binary encoding of one datum), text, raw
// bytes, and plain JSON lines kept as Avro.
//
// Bodies come from other programs, so nothing in one is believed. Every Avro body is first walked against its schema
// (bounds.go): counts, lengths, block sizes, branches, symbols, booleans, UTF-8, depth and the exact end are checked
// with no allocation, and only then does the Avro library see it. What is encoded is walked too, so a writer refuses
// what its readers would refuse. Nearly all bodies pass a fast walk (run.go) over a compiled schema (program.go); what
// that does not accept at once the first walk decides.
//
// The package starts no goroutine, waits for none and reads no clock; every codec is safe for concurrent use.
package codec

// Codec turns values into message bodies and back. All implementations are safe for concurrent use.
type Codec[T any] interface {
	// Append appends the encoding of v to dst and returns the extended slice, as the append builtin does. After an
	// error it returns dst as it was, and the error is an *Error. It does not retain v or dst.
	Append(dst []byte, v T) ([]byte, error)

	// Decode returns the value that body holds; the whole of body must be one value. It does not retain body unless
	// the codec says so (Raw does). An error is an *Error.
	Decode(body []byte) (T, error)

	// ContentEncoding is what the content_encoding property of a message with such a body must be: "utf-8" for text,
	// and empty, for no such property, otherwise. A pypz reader takes the body for text exactly when it is there.
	ContentEncoding() string
}

// Limits bound what one body may cost. A zero field means its default. The same limits hold for encoding.
type Limits struct {
	// MaxBody is the longest body, in bytes. Default 16 MiB, the largest message of RabbitMQ 4.
	MaxBody int
	// MaxDepth is how deep records, arrays and maps may nest; unions do not count. Default 64.
	MaxDepth int
	// MaxItems is how many array items and map entries one body may hold, at all levels together. It bounds memory: an
	// item of one byte can become a Go value of hundreds. Default 1,048,576.
	MaxItems int
	// MaxEmpty is how many values without any bytes (nulls, empty records, a record's null fields) the arrays of one
	// body may hold: they cost the sender nothing. Default 65,536.
	MaxEmpty int
}

// Option configures an Avro codec.
type Option func(*Limits)

// WithLimits replaces the limits; its zero fields keep their defaults.
func WithLimits(l Limits) Option { return func(to *Limits) { *to = l } }

func limitsOf(opts []Option) Limits {
	var l Limits
	for _, opt := range opts {
		opt(&l)
	}
	orDefault(&l.MaxBody, 16<<20)
	orDefault(&l.MaxDepth, 64)
	orDefault(&l.MaxItems, 1<<20)
	orDefault(&l.MaxEmpty, 1<<16)
	return l
}

func orDefault(v *int, def int) {
	if *v <= 0 {
		*v = def
	}
}
