package main

import (
	"context"
	"errors"
	"net"
	"strconv"
	"sync"
	"sync/atomic"

	streamamqp "github.com/rabbitmq/rabbitmq-stream-go-client/pkg/amqp"
	"github.com/rabbitmq/rabbitmq-stream-go-client/pkg/ha"
	"github.com/rabbitmq/rabbitmq-stream-go-client/pkg/stream"
)

// environment connects to the site, whatever the broker says where it is.
func (s *site) environment() (*stream.Environment, error) {
	host, text, err := net.SplitHostPort(s.stream)
	if err != nil {
		return nil, err
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		return nil, err
	}
	return stream.NewEnvironment(stream.NewEnvironmentOptions().SetHost(host).SetPort(port).SetUser("guest").SetPassword("guest").
		SetAddressResolver(stream.AddressResolver{Host: host, Port: port}).SetWriteBuffer(1 << 20).SetReadBuffer(1 << 20))
}

// streamLoop is the stream client with a loop around it, as rawLoop is amqp091-go with one: it knocks at the port, and makes everything anew.
type streamLoop struct {
	at    *site
	seen  func([]byte)
	pub   atomic.Pointer[stream.Producer]
	next  int64 // offset; the reading goroutine's
	stop  context.CancelFunc
	tasks sync.WaitGroup
}

func surviveStream(ctx context.Context, at *site, seen func([]byte)) (survivor, error) {
	if err := at.declare(); err != nil {
		return nil, err
	}
	s := &streamLoop{at: at, seen: seen}
	ctx, s.stop = context.WithCancel(ctx)
	s.tasks.Go(func() { s.keep(ctx, s.write) })
	s.tasks.Go(func() { s.keep(ctx, s.read) })
	return s, nil
}

func (s *streamLoop) keep(ctx context.Context, use func(context.Context, *stream.Environment) error) {
	for ctx.Err() == nil {
		err := s.knock(ctx)
		if err == nil {
			var env *stream.Environment
			if env, err = s.at.environment(); err == nil {
				err = use(ctx, env)
				go func() { _ = env.Close() }() // which can take long
			}
		}
		if err != nil {
			pause(ctx, dialPause)
		}
	}
}

// knock sees whether somebody listens: an environment takes seconds to find out.
func (s *streamLoop) knock(ctx context.Context) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", s.at.stream)
	if err != nil {
		return err
	}
	return conn.Close()
}

func (s *streamLoop) write(ctx context.Context, env *stream.Environment) error {
	producer, err := env.NewProducer(s.at.queue, stream.NewProducerOptions())
	if err != nil {
		return err
	}
	gone, confirms := producer.NotifyClose(), producer.NotifyPublishConfirmation()
	go func() {
		for range confirms {
		}
	}()
	s.pub.Store(producer)
	defer s.pub.Store(nil)
	select {
	case <-gone:
	case <-ctx.Done():
	}
	return nil
}

func (s *streamLoop) read(ctx context.Context, env *stream.Environment) error {
	at := stream.OffsetSpecification{}.Offset(s.next)
	var last atomic.Int64
	last.Store(s.next - 1)
	consumer, err := env.NewConsumer(s.at.queue, func(of stream.ConsumerContext, m *streamamqp.Message) {
		last.Store(of.Consumer.GetOffset())
		s.seen(m.GetData())
	}, stream.NewConsumerOptions().SetOffset(at).SetManualCommit())
	if err != nil {
		return err
	}
	select {
	case <-consumer.NotifyClose():
	case <-ctx.Done():
	}
	s.next = last.Load() + 1
	return nil
}

func (s *streamLoop) attempt(_ context.Context, body []byte) error {
	producer := s.pub.Load()
	if producer == nil {
		return net.ErrClosed
	}
	return producer.Send(streamamqp.NewMessage(body))
}

func (s *streamLoop) close(context.Context) error {
	s.stop()
	s.tasks.Wait()
	return nil
}

// haSurvivor is the stream client's package ha.
type haSurvivor struct {
	env      *stream.Environment
	producer *ha.ReliableProducer
	consumer *ha.ReliableConsumer
}

func surviveHA(_ context.Context, at *site, seen func([]byte)) (survivor, error) {
	if err := at.declare(); err != nil {
		return nil, err
	}
	env, err := at.environment()
	if err != nil {
		return nil, err
	}
	s := &haSurvivor{env: env}
	if s.producer, err = ha.NewReliableProducer(env, at.queue, stream.NewProducerOptions(), func([]*stream.ConfirmationStatus) {}); err != nil {
		return nil, errors.Join(err, env.Close())
	}
	s.consumer, err = ha.NewReliableConsumer(env, at.queue, stream.NewConsumerOptions().SetOffset(stream.OffsetSpecification{}.First()).SetManualCommit(),
		func(_ stream.ConsumerContext, m *streamamqp.Message) { seen(m.GetData()) })
	if err != nil {
		return nil, errors.Join(err, env.Close())
	}
	return s, nil
}

func (s *haSurvivor) attempt(_ context.Context, body []byte) error {
	return s.producer.Send(streamamqp.NewMessage(body))
}

func (s *haSurvivor) close(context.Context) error {
	return errors.Join(s.producer.Close(), s.consumer.Close(), s.env.Close())
}
