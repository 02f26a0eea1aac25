package main

import (
	"context"
	"errors"

	"github.com/ThreeDotsLabs/watermill"
	watermillamqp "github.com/ThreeDotsLabs/watermill-amqp/v3/pkg/amqp"
	"github.com/ThreeDotsLabs/watermill/message"
	amqp "github.com/rabbitmq/amqp091-go"
)

// watermillSurvivor is watermill-amqp with its configuration for durable queues and confirms, and its default way to reconnect.
type watermillSurvivor struct {
	at  *site
	pub *watermillamqp.Publisher
	sub *watermillamqp.Subscriber
}

func surviveWatermill(ctx context.Context, at *site, seen func([]byte)) (survivor, error) {
	config := watermillamqp.NewDurableQueueConfig(at.url)
	config.Publish.ConfirmDelivery = true
	config.Queue.Arguments = amqp.Table{"x-queue-type": at.kind}
	s := &watermillSurvivor{at: at}
	var err error
	if s.sub, err = watermillamqp.NewSubscriber(config, watermill.NopLogger{}); err != nil {
		return nil, err
	}
	messages, err := s.sub.Subscribe(context.WithoutCancel(ctx), at.queue) // until close
	if err != nil {
		return nil, errors.Join(err, s.sub.Close())
	}
	if s.pub, err = watermillamqp.NewPublisher(config, watermill.NopLogger{}); err != nil {
		return nil, errors.Join(err, s.sub.Close())
	}
	go func() {
		for m := range messages {
			seen(m.Payload)
			m.Ack()
		}
	}()
	return s, nil
}

func (s *watermillSurvivor) attempt(_ context.Context, body []byte) error {
	return s.pub.Publish(s.at.queue, message.NewMessage(watermill.NewUUID(), body))
}

func (s *watermillSurvivor) close(context.Context) error {
	return errors.Join(s.pub.Close(), s.sub.Close())
}
