package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"

	streamamqp "github.com/rabbitmq/rabbitmq-stream-go-client/pkg/amqp"
	"github.com/rabbitmq/rabbitmq-stream-go-client/pkg/message"
	"github.com/rabbitmq/rabbitmq-stream-go-client/pkg/stream"
)

const (
	// streamWindow is what a client of a stream may have unconfirmed: the default of both.
	streamWindow = 10_000
	// streamAhead is what weir's reader is handed ahead. The stream client counts chunks instead, of up to some thousand records: 10.
	streamAhead = 20_000
)

// streamEnds is rabbitmq-stream-go-client: batches, socket buffers of 1 MiB, confirmations counted; reading from the first record and storing no offset.
type streamEnds struct {
	*place
	env      *stream.Environment
	producer *stream.Producer
	confirms confirmCount
	posted   int
	consumer *stream.Consumer
	gate     chan struct{} // closed when reading begins
	reading1 reading
}

// confirmCount counts confirmations, and lets one wait for a number of them.
type confirmCount struct {
	mu      sync.Mutex
	got     int
	err     error
	want    int
	reached chan struct{}
}

func (c *confirmCount) take(statuses []*stream.ConfirmationStatus) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range statuses {
		if !s.IsConfirmed() {
			c.err = errors.Join(errNacked, s.GetError())
		}
	}
	c.got += len(statuses)
	c.tell()
}

func (c *confirmCount) tell() {
	if c.reached != nil && (c.got >= c.want || c.err != nil) {
		close(c.reached)
		c.reached = nil
	}
}

// wait waits until so many have come since the beginning.
func (c *confirmCount) wait(ctx context.Context, n int) error {
	c.mu.Lock()
	reached := make(chan struct{})
	c.want, c.reached = n, reached
	c.tell()
	c.mu.Unlock()
	select {
	case <-reached:
	case <-ctx.Done():
		return ctx.Err()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// reading is what the consumer's goroutine is to do. It is set before the gate opens.
type reading struct {
	got, n int
	seen   func([]byte)
	err    error
	done   chan struct{}
}

func openStream(p *place) (ends, error) {
	host, port, err := net.SplitHostPort(p.node.StreamAddress())
	if err != nil {
		return nil, err
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return nil, err
	}
	env, err := stream.NewEnvironment(stream.NewEnvironmentOptions().SetHost(host).SetPort(number).SetUser("guest").SetPassword("guest").
		SetWriteBuffer(1 << 20).SetReadBuffer(1 << 20))
	if err != nil {
		return nil, err
	}
	e := &streamEnds{place: p, env: env}
	if err := e.produce(); err != nil {
		return nil, errors.Join(err, env.Close())
	}
	return e, nil
}

func (e *streamEnds) produce() error {
	if err := e.env.DeclareStream(e.queue, stream.NewStreamOptions()); err != nil {
		return fmt.Errorf("declare: %w", err)
	}
	options := stream.NewProducerOptions().SetQueueSize(streamWindow)
	if e.sub > 0 {
		options.SetSubEntrySize(e.sub)
	}
	var err error
	if e.producer, err = e.env.NewProducer(e.queue, options); err != nil {
		return fmt.Errorf("producer: %w", err)
	}
	confirms := e.producer.NotifyPublishConfirmation()
	go func() {
		for statuses := range confirms {
			e.confirms.take(statuses)
		}
	}()
	return nil
}

func (e *streamEnds) write(ctx context.Context, w work, n int) error {
	if w.Callers > 0 {
		return errors.ErrUnsupported
	}
	e.posted += n
	for ; n > 0; n -= w.Per {
		if err := e.batch(min(w.Per, n), w.Per == 1); err != nil {
			return err
		}
	}
	return e.confirms.wait(ctx, e.posted)
}

func (e *streamEnds) batch(n int, single bool) error {
	if single {
		body, err := e.encode()
		if err != nil {
			return err
		}
		return e.producer.Send(streamamqp.NewMessage(body))
	}
	batch := make([]message.StreamMessage, n)
	for i := range batch {
		body, err := e.encode()
		if err != nil {
			return err
		}
		batch[i] = streamamqp.NewMessage(body)
	}
	return e.producer.BatchSend(batch)
}

func (e *streamEnds) fill(ctx context.Context, n int) error {
	return e.write(ctx, work{Per: min(1000, (1<<20)/(e.Size+64))}, n)
}

func (e *streamEnds) subscribe(context.Context) (err error) {
	e.gate = make(chan struct{})
	e.consumer, err = e.env.NewConsumer(e.queue, e.take, stream.NewConsumerOptions().SetOffset(stream.OffsetSpecification{}.First()).SetManualCommit())
	return err
}

// take is called by the consumer's goroutine.
func (e *streamEnds) take(_ stream.ConsumerContext, m *streamamqp.Message) {
	r := &e.reading1
	if r.got == 0 {
		<-e.gate
	}
	r.got++
	if r.seen != nil {
		r.seen(m.GetData())
	}
	if err := e.decode(m.GetData()); err != nil {
		r.err = err
	}
	if r.got == r.n {
		close(r.done)
	}
}

func (e *streamEnds) read(ctx context.Context, n int, seen func([]byte)) error {
	done := make(chan struct{})
	e.reading1 = reading{n: n, seen: seen, done: done}
	close(e.gate)
	select {
	case <-done:
		return e.reading1.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (e *streamEnds) post(_ context.Context, body []byte) error {
	e.posted++
	return e.producer.Send(streamamqp.NewMessage(body))
}

func (e *streamEnds) flush(ctx context.Context) error { return e.confirms.wait(ctx, e.posted) }

func (e *streamEnds) close(context.Context) error {
	errs := []error{e.producer.Close()}
	if e.consumer != nil {
		errs = append(errs, e.consumer.Close())
	}
	return errors.Join(append(errs, e.env.DeleteStream(e.queue), e.env.Close())...)
}
