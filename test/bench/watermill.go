package main

import (
	"context"
	"errors"

	"github.com/ThreeDotsLabs/watermill"
	watermillamqp "github.com/ThreeDotsLabs/watermill-amqp/v3/pkg/amqp"
	"github.com/ThreeDotsLabs/watermill/message"
	amqp "github.com/rabbitmq/amqp091-go"
)

// watermillEnds is watermill-amqp with its configuration for durable queues and publisher confirms on. All else is its default: a channel for each Publish, each message
// confirmed before the next, one delivery at a time (prefetch 1). For quorum queues the queue's type is an argument of the queue.
type watermillEnds struct {
	*place
	pub      *watermillamqp.Publisher
	sub      *watermillamqp.Subscriber
	messages <-chan *message.Message

	// of post
	posts chan *message.Message
	done  chan error
}

// posters publish for post at the same time: a call waits for its confirmation.
const posters = 16

func openWatermill(p *place) (ends, error) {
	config := watermillamqp.NewDurableQueueConfig(p.node.URL())
	config.Publish.ConfirmDelivery = true
	config.Queue.Arguments = amqp.Table{"x-queue-type": p.Kind}
	e := &watermillEnds{place: p}
	var err error
	if e.sub, err = watermillamqp.NewSubscriber(config, watermill.NopLogger{}); err != nil {
		return nil, err
	}
	if err := e.sub.SubscribeInitialize(p.queue); err != nil {
		return nil, errors.Join(err, e.sub.Close())
	}
	if e.pub, err = watermillamqp.NewPublisher(config, watermill.NopLogger{}); err != nil {
		return nil, errors.Join(err, e.sub.Close())
	}
	return e, nil
}

func (e *watermillEnds) write(_ context.Context, w work, n int) error {
	if w.Callers == 0 {
		return errors.ErrUnsupported
	}
	return parts(n, w.Callers, func(n int) error {
		for ; n > 0; n -= w.Per {
			call := make([]*message.Message, min(w.Per, n))
			for i := range call {
				body, err := e.encode()
				if err != nil {
					return err
				}
				call[i] = message.NewMessage(watermill.NewUUID(), body)
			}
			if err := e.pub.Publish(e.queue, call...); err != nil {
				return err
			}
		}
		return nil
	})
}

// fill is done by the raw client, in watermill's terms: its own way would take longer than the read.
func (e *watermillEnds) fill(ctx context.Context, n int) error {
	conn, err := amqp.Dial(e.node.URL())
	if err != nil {
		return err
	}
	filler := &rawEnds{place: e.place, pub: conn}
	defer filler.cutAt(ctx, conn)()
	err = filler.pipeline(ctx, n, amqp.Table{watermillamqp.DefaultMessageUUIDHeaderKey: watermill.NewUUID()})
	return errors.Join(err, conn.Close())
}

func (e *watermillEnds) subscribe(ctx context.Context) (err error) {
	e.messages, err = e.sub.Subscribe(context.WithoutCancel(ctx), e.queue) // until close
	return err
}

func (e *watermillEnds) read(ctx context.Context, n int, seen func([]byte)) error {
	for range n {
		select {
		case m, ok := <-e.messages:
			if !ok {
				return errClosed
			}
			if seen != nil {
				seen(m.Payload)
			}
			if err := e.decode(m.Payload); err != nil {
				return err
			}
			m.Ack()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (e *watermillEnds) post(ctx context.Context, body []byte) error {
	if e.posts == nil {
		e.posts, e.done = make(chan *message.Message), make(chan error, posters)
		for range posters {
			go func() { e.done <- e.publishAll() }()
		}
	}
	select {
	case e.posts <- message.NewMessage(watermill.NewUUID(), body):
		return nil
	case err := <-e.done:
		return errors.Join(err, errClosed)
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (e *watermillEnds) publishAll() error {
	for m := range e.posts {
		if err := e.pub.Publish(e.queue, m); err != nil {
			return err
		}
	}
	return nil
}

func (e *watermillEnds) flush(ctx context.Context) error {
	if e.posts == nil {
		return nil
	}
	close(e.posts)
	for range posters {
		select {
		case err := <-e.done:
			if err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (e *watermillEnds) close(context.Context) error {
	return errors.Join(e.pub.Close(), e.sub.Close(), e.deleteQueue())
}
