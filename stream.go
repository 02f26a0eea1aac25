package weir

import (
	"sync"
	"time"

	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/broker/rabbitmq"
	"github.com/d2e2d648/weir/broker/rabbitstream"
	"github.com/d2e2d648/weir/supervisor"
)

// Stream carries the channel's records on a stream, an append-only log, instead of a queue: in order, kept when they were read, an order of magnitude faster. Each reader gets all of them, so there is nothing to
// share. All endpoints of a channel must agree on it; the other options of this file imply it.
//
// A writer should have a Name: what it publishes again after an incident, the broker drops where it has it already, by sequences that it keeps under that name. While a writer is open, no other of the channel can
// have its name: opening gives ErrNameInUse. A reader that has a Name goes on behind what was committed under it; a random one begins where it is told to, by default at the first record that is kept.
//
// On RabbitMQ it takes the plugin rabbitmq_stream, by its own port: 5552, with TLS 5551, or what StreamsAt says. A record and its properties must fit into 1 MiB.
func Stream() Option { return func(s *settings) { s.onStream() } }

// FromFirst has a reader without a stored offset begin at the first record that is kept. That is the default.
func FromFirst() Option { return from(broker.StreamOffset{From: broker.FromFirst}) }

// FromLast has a reader without a stored offset begin at the last chunk, which is what the broker has written at once: one record or many.
func FromLast() Option { return from(broker.StreamOffset{From: broker.FromLast}) }

// FromNext has a reader without a stored offset begin with what is published once it is open. Its place is stored then: what is published while a reader of that name is away comes when it is back.
func FromNext() Option { return from(broker.StreamOffset{From: broker.FromNext}) }

// FromOffset has a reader without a stored offset begin at that offset: or, where it is not kept any more, at the first that is, and where there is none yet, at the end.
func FromOffset(offset uint64) Option {
	return from(broker.StreamOffset{From: broker.FromOffset, Offset: offset})
}

// FromTime has a reader without a stored offset begin with what was published at that time, by the broker's clock. Brokers begin at the chunk that holds it: earlier records may come.
func FromTime(t time.Time) Option {
	return from(broker.StreamOffset{From: broker.FromTime, Time: t})
}

func from(start broker.StreamOffset) Option {
	return func(s *settings) { s.onStream().Start = start }
}

// Replay has a reader begin where it is told to, though an offset is stored under its name. Its commits are stored from there on.
func Replay() Option { return func(s *settings) { s.onStream().IgnoreStored = true } }

// Retention bounds what a stream keeps, when the endpoint makes it: no longer than age, whole seconds, and about so many bytes; 0: no bound. It goes by whole segments, and the one that is written is kept.
func Retention(age time.Duration, bytes int64) Option {
	return func(s *settings) {
		stream := s.onStream()
		stream.MaxAge, stream.MaxBytes, stream.SegmentBytes = age, bytes, segment(bytes)
	}
}

// segment is an eighth of what is kept, so that this is met by about as much, within what brokers do well with.
func segment(bytes int64) int64 {
	if bytes == 0 {
		return 0
	}
	return min(max(bytes/8, 1<<20), 500_000_000)
}

// SubEntries has a writer pack so many records into one entry, at most 65,535: more throughput on a stream, but the broker deduplicates none of them, and what is published again after an incident may be
// there twice. Such a writer's name is not exclusive.
func SubEntries(records int) Option { return func(s *settings) { s.onStream().SubEntries = records } }

func (s *settings) onStream() *supervisor.Stream {
	if s.Stream == nil {
		s.Stream = &supervisor.Stream{}
	}
	return s.Stream
}

// window and poll are what the config's 0 means.
func (s *settings) window() int {
	switch {
	case s.Window > 0:
		return s.Window
	case s.Stream != nil:
		return s.Stream.DefaultWindow()
	}
	return supervisor.DefaultWindow
}

func (s *settings) poll() int {
	switch {
	case s.Poll > 0:
		return s.Poll
	case s.Stream != nil:
		return supervisor.DefaultStreamPoll
	}
	return supervisor.DefaultPoll
}

// StreamsAt says how the broker's streams are reached (see rabbitstream.FromURL), where that is not the AMQP address at the default port.
func StreamsAt(config rabbitstream.Config) RuntimeOption {
	return func(s *runtimeSettings) { s.streams = &config }
}

// streamPort is a runtime's port on streams, made for the first channel that needs it.
type streamPort struct {
	make func() (*rabbitstream.Port, error) // nil: the runtime's own port knows streams
	mu   sync.Mutex
	port *rabbitstream.Port
	gone bool
}

func newStreamPort(config rabbitmq.Config, requests broker.Port, opts []RuntimeOption) (*rabbitstream.Port, error) {
	var s runtimeSettings
	for _, opt := range opts {
		opt(&s)
	}
	if s.streams == nil {
		streams := rabbitstream.FromAMQP(config)
		s.streams = &streams
	}
	return rabbitstream.New(*s.streams, requests)
}

// dataPort gives what the records of a channel go by; nil: the same as all else.
func (rt *Runtime) dataPort(s *settings) (broker.Port, error) {
	p := &rt.streams
	if s.Stream == nil || p.make == nil {
		return nil, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gone {
		return nil, ErrClosed
	}
	if p.port == nil {
		port, err := p.make()
		if err != nil {
			return nil, err
		}
		p.port = port
	}
	return p.port, nil
}

func (p *streamPort) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gone = true; p.port != nil {
		p.port.Close()
	}
}
