package main

import (
	"context"
	"errors"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

const inFlight = 1000

// rawEnds is amqp091-go as its users write it: persistent and mandatory, with confirmations; prefetch 1,000, an acknowledgement every 100.
type rawEnds struct {
	*place
	pub, con   *amqp.Connection
	deliveries <-chan amqp.Delivery

	// of post
	posting  *amqp.Channel
	posted   int
	confirms chan error // one, when all that was posted is confirmed
	expect   chan int
}

func openRaw(p *place) (ends, error) {
	if err := p.declareQueue(); err != nil {
		return nil, err
	}
	e := &rawEnds{place: p}
	var err error
	if e.pub, err = amqp.Dial(p.node.URL()); err != nil {
		return nil, err
	}
	if e.con, err = amqp.Dial(p.node.URL()); err != nil {
		return nil, errors.Join(err, e.pub.Close())
	}
	return e, nil
}

func (e *rawEnds) confirming() (*amqp.Channel, error) {
	ch, err := e.pub.Channel()
	if err != nil {
		return nil, err
	}
	return ch, ch.Confirm(false)
}

func (e *rawEnds) write(ctx context.Context, w work, n int) error {
	defer e.cutAt(ctx, e.pub)()
	if w.Callers == 0 {
		return e.pipeline(ctx, n, nil)
	}
	return parts(n, w.Callers, func(n int) error {
		ch, err := e.confirming()
		if err != nil {
			return err
		}
		defer ch.Close()
		return e.calls(ctx, ch, w.Per, n)
	})
}

// cutAt has a connection closed when the context ends, which ends all that waits for it.
func (e *rawEnds) cutAt(ctx context.Context, conn *amqp.Connection) (stop func()) {
	end := context.AfterFunc(ctx, func() { _ = conn.CloseDeadline(time.Now()) }) // whoever waits hears of it
	return func() { end() }
}

var (
	errNacked = errors.New("not confirmed")
	errClosed = errors.New("the channel was closed")
)

func (e *rawEnds) calls(ctx context.Context, ch *amqp.Channel, per, n int) error {
	confirms := make([]*amqp.DeferredConfirmation, 0, per)
	for ; n > 0; n -= per {
		confirms = confirms[:0]
		for range min(per, n) {
			body, err := e.encode()
			if err != nil {
				return err
			}
			c, err := ch.PublishWithDeferredConfirmWithContext(ctx, "", e.queue, true, false, amqp.Publishing{DeliveryMode: amqp.Persistent, Body: body})
			if err != nil {
				return err
			}
			confirms = append(confirms, c)
		}
		if err := confirmed(ctx, confirms); err != nil {
			return err
		}
	}
	return nil
}

func confirmed(ctx context.Context, confirms []*amqp.DeferredConfirmation) error {
	for _, c := range confirms {
		if ok, err := c.WaitContext(ctx); err != nil || !ok {
			return errors.Join(errNacked, err)
		}
	}
	return nil
}

// pipeline counts confirmations with NotifyPublish: the cheapest way that the client has.
func (e *rawEnds) pipeline(ctx context.Context, n int, headers amqp.Table) error {
	ch, err := e.confirming()
	if err != nil {
		return err
	}
	defer ch.Close()
	return newOutlet(ch, e.queue).publish(ctx, n, headers, e.encode)
}

// outlet publishes into a queue, with at most inFlight records unconfirmed.
type outlet struct {
	ch       *amqp.Channel
	queue    string
	confirms <-chan amqp.Confirmation
}

func newOutlet(ch *amqp.Channel, queue string) *outlet {
	return &outlet{ch, queue, ch.NotifyPublish(make(chan amqp.Confirmation, inFlight+10))}
}

// publish publishes n records and waits until all are confirmed.
func (o *outlet) publish(ctx context.Context, n int, headers amqp.Table, encode func() ([]byte, error)) error {
	under := 0
	take := func() error {
		c, ok := <-o.confirms
		under--
		switch {
		case !ok:
			return errClosed
		case !c.Ack:
			return errNacked
		}
		return nil
	}
	for range n {
		for under >= inFlight || len(o.confirms) > 0 {
			if err := take(); err != nil {
				return err
			}
		}
		body, err := encode()
		if err != nil {
			return err
		}
		if err := o.ch.PublishWithContext(ctx, "", o.queue, true, false, amqp.Publishing{DeliveryMode: amqp.Persistent, Body: body, Headers: headers}); err != nil {
			return err
		}
		under++
	}
	for under > 0 {
		if err := take(); err != nil {
			return err
		}
	}
	return nil
}

func (e *rawEnds) fill(ctx context.Context, n int) error {
	defer e.cutAt(ctx, e.pub)()
	return e.pipeline(ctx, n, nil)
}

func (e *rawEnds) subscribe(context.Context) error {
	ch, err := e.con.Channel()
	if err != nil {
		return err
	}
	if err := ch.Qos(inFlight, 0, false); err != nil {
		return err
	}
	e.deliveries, err = ch.Consume(e.queue, "", false, false, false, false, nil)
	return err
}

func (e *rawEnds) read(ctx context.Context, n int, seen func([]byte)) error {
	defer e.cutAt(ctx, e.con)()
	for i := 1; i <= n; i++ {
		m, ok := <-e.deliveries
		if !ok {
			return errClosed
		}
		if seen != nil {
			seen(m.Body)
		}
		if err := e.decode(m.Body); err != nil {
			return err
		}
		if i%100 == 0 || i == n {
			if err := m.Ack(true); err != nil {
				return err
			}
		}
	}
	return nil
}

func (e *rawEnds) post(ctx context.Context, body []byte) error {
	if e.posting == nil {
		ch, err := e.confirming()
		if err != nil {
			return err
		}
		e.posting, e.confirms, e.expect = ch, make(chan error, 1), make(chan int, 1)
		go count(ch.NotifyPublish(make(chan amqp.Confirmation, inFlight)), e.expect, e.confirms)
	}
	e.posted++
	return e.posting.PublishWithContext(ctx, "", e.queue, true, false, amqp.Publishing{DeliveryMode: amqp.Persistent, Body: body})
}

// count takes confirmations until as many have come as are expected, which is said in the end.
func count(confirms <-chan amqp.Confirmation, expect <-chan int, done chan<- error) {
	got, want := 0, -1
	for got != want {
		select {
		case c, ok := <-confirms:
			switch {
			case !ok:
				done <- errClosed
				return
			case !c.Ack:
				done <- errNacked
				return
			}
			got++
		case want = <-expect:
		}
	}
	done <- nil
}

func (e *rawEnds) flush(ctx context.Context) error {
	if e.posting == nil {
		return nil
	}
	e.expect <- e.posted
	select {
	case err := <-e.confirms:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (e *rawEnds) close(context.Context) error {
	return errors.Join(e.pub.Close(), e.con.Close(), e.deleteQueue())
}
