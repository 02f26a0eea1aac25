package main

import (
	"context"
	"errors"
	"sync"

	amqp "github.com/rabbitmq/amqp091-go"
)

// raw is amqp091-go as its users write it: persistent and mandatory, deferred confirmations, prefetch 1,000, an acknowledgement every 100.
type raw struct{}

func (raw) name() string { return "raw" }

type rawEnds struct {
	b        *bench
	queue    string
	pub, con *amqp.Connection
}

const inFlight = 1000

func (raw) open(_ context.Context, b *bench) (ends, error) {
	e := &rawEnds{b: b, queue: b.queue()}
	var err error
	if e.pub, err = amqp.Dial(b.node.URL()); err != nil {
		return nil, err
	}
	if e.con, err = amqp.Dial(b.node.URL()); err != nil {
		return nil, err
	}
	ch, err := e.pub.Channel()
	if err != nil {
		return nil, err
	}
	defer ch.Close()
	_, err = ch.QueueDeclare(e.queue, true, false, false, false, amqp.Table{"x-queue-type": b.queueType})
	return e, err
}

func (e *rawEnds) confirming() (*amqp.Channel, error) {
	ch, err := e.pub.Channel()
	if err != nil {
		return nil, err
	}
	return ch, ch.Confirm(false)
}

func (e *rawEnds) publish(ctx context.Context, ch *amqp.Channel) (*amqp.DeferredConfirmation, error) {
	return ch.PublishWithDeferredConfirmWithContext(ctx, "", e.queue, true, false, amqp.Publishing{DeliveryMode: amqp.Persistent, Body: e.b.body})
}

var errNacked = errors.New("not confirmed")

func wait(ctx context.Context, confirms []*amqp.DeferredConfirmation) error {
	for _, c := range confirms {
		if ok, err := c.WaitContext(ctx); err != nil || !ok {
			return errors.Join(errNacked, err)
		}
	}
	return nil
}

func (e *rawEnds) calls(ctx context.Context, callers int) error {
	errs := make([]error, callers)
	var all sync.WaitGroup
	for i := range callers {
		all.Go(func() {
			ch, err := e.confirming()
			if err != nil {
				errs[i] = err
				return
			}
			defer ch.Close()
			errs[i] = e.call(ctx, ch, e.b.records/callers)
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

func (e *rawEnds) call(ctx context.Context, ch *amqp.Channel, records int) error {
	confirms := make([]*amqp.DeferredConfirmation, 0, 100)
	for left := records; left > 0; left -= 100 {
		confirms = confirms[:0]
		for range min(100, left) {
			c, err := e.publish(ctx, ch)
			if err != nil {
				return err
			}
			confirms = append(confirms, c)
		}
		if err := wait(ctx, confirms); err != nil {
			return err
		}
	}
	return nil
}

// pipeline counts confirmations with NotifyPublish: the cheapest way that the client has.
func (e *rawEnds) pipeline(_ context.Context) error {
	ch, err := e.confirming()
	if err != nil {
		return err
	}
	defer ch.Close()
	confirms := ch.NotifyPublish(make(chan amqp.Confirmation, inFlight+10))
	under := 0
	for range e.b.records {
		for under >= inFlight {
			<-confirms
			under--
		}
		if err := ch.Publish("", e.queue, true, false, amqp.Publishing{DeliveryMode: amqp.Persistent, Body: e.b.body}); err != nil {
			return err
		}
		under++
		for len(confirms) > 0 {
			<-confirms
			under--
		}
	}
	for ; under > 0; under-- {
		<-confirms
	}
	return nil
}

func (e *rawEnds) read(_ context.Context) error {
	ch, err := e.con.Channel()
	if err != nil {
		return err
	}
	defer ch.Close()
	if err := ch.Qos(inFlight, 0, false); err != nil {
		return err
	}
	deliveries, err := ch.Consume(e.queue, "", false, false, false, false, nil)
	if err != nil {
		return err
	}
	for i := 1; i <= e.b.records; i++ {
		m, ok := <-deliveries
		if !ok {
			return errors.New("the channel was closed")
		}
		if i%100 == 0 || i == e.b.records {
			if err := m.Ack(true); err != nil {
				return err
			}
		}
	}
	return nil
}

func (e *rawEnds) close(context.Context) error {
	ch, err := e.pub.Channel()
	if err != nil {
		return err
	}
	_, err = ch.QueueDelete(e.queue, false, false, false)
	return errors.Join(err, e.pub.Close(), e.con.Close())
}
