package main

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// rawLoop is amqp091-go with a loop around it that connects again as soon as a connection has ended: what one writes by hand who wants to be back fast. With once it is amqp091-go alone.
type rawLoop struct {
	at    *site
	seen  func([]byte)
	once  bool
	pub   atomic.Pointer[amqp.Channel]
	stop  context.CancelFunc
	tasks sync.WaitGroup
}

func surviveRaw(ctx context.Context, at *site, seen func([]byte)) (survivor, error) {
	return startRaw(ctx, &rawLoop{at: at, seen: seen})
}

func surviveOnce(ctx context.Context, at *site, seen func([]byte)) (survivor, error) {
	return startRaw(ctx, &rawLoop{at: at, seen: seen, once: true})
}

func startRaw(ctx context.Context, r *rawLoop) (survivor, error) {
	if err := r.at.declare(); err != nil {
		return nil, err
	}
	ctx, r.stop = context.WithCancel(ctx)
	r.tasks.Go(func() { r.keep(ctx, r.write) })
	r.tasks.Go(func() { r.keep(ctx, r.read) })
	return r, nil
}

// keep connects and uses the connection until it ends, again and again.
func (r *rawLoop) keep(ctx context.Context, use func(*amqp.Connection) error) {
	for ctx.Err() == nil {
		conn, err := amqp.Dial(r.at.url)
		if err == nil {
			stop := context.AfterFunc(ctx, func() { _ = conn.CloseDeadline(time.Now()) })
			err = use(conn)
			stop()
			_ = conn.CloseDeadline(time.Now()) // it is of no use any more
		}
		if r.once {
			return
		}
		if err != nil {
			pause(ctx, dialPause)
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// write lets attempts use the connection. An error says that it was not to be used at all.
func (r *rawLoop) write(conn *amqp.Connection) error {
	ch, err := conn.Channel()
	if err != nil {
		return err
	}
	if err := ch.Confirm(false); err != nil {
		return err
	}
	confirms := ch.NotifyPublish(make(chan amqp.Confirmation, inFlight))
	r.pub.Store(ch)
	for range confirms { // until the channel is closed
	}
	r.pub.Store(nil)
	return nil
}

func (r *rawLoop) read(conn *amqp.Connection) error {
	ch, err := conn.Channel()
	if err != nil {
		return err
	}
	if err := ch.Qos(inFlight, 0, false); err != nil {
		return err
	}
	deliveries, err := ch.Consume(r.at.queue, "", false, false, false, false, nil)
	if err != nil {
		return err
	}
	for m := range deliveries {
		r.seen(m.Body)
		_ = m.Ack(false) // the deliveries end when it cannot be
	}
	return nil
}

func (r *rawLoop) attempt(ctx context.Context, body []byte) error {
	ch := r.pub.Load()
	if ch == nil {
		return net.ErrClosed
	}
	return ch.PublishWithContext(ctx, "", r.at.queue, false, false, amqp.Publishing{DeliveryMode: amqp.Persistent, Body: body})
}

func (r *rawLoop) close(context.Context) error {
	r.stop()
	r.tasks.Wait()
	return nil
}

// recovering is amqp091-go with its own recovery, as it is set by default.
type recovering struct {
	at       *site
	pub, con *amqp.Connection
	writing  *amqp.Channel
}

func surviveRecovering(_ context.Context, at *site, seen func([]byte)) (survivor, error) {
	if err := at.declare(); err != nil {
		return nil, err
	}
	r := &recovering{at: at}
	var err error
	if r.pub, r.writing, err = r.dial(); err != nil {
		return nil, err
	}
	if err := r.writing.Confirm(false); err != nil {
		return nil, err
	}
	confirms := r.writing.NotifyPublish(make(chan amqp.Confirmation, inFlight))
	go func() {
		for range confirms {
		}
	}()
	var reading *amqp.Channel
	if r.con, reading, err = r.dial(); err != nil {
		return nil, err
	}
	if err := reading.Qos(inFlight, 0, false); err != nil {
		return nil, err
	}
	deliveries, err := reading.Consume(at.queue, "", false, false, false, false, nil)
	if err != nil {
		return nil, err
	}
	go func() {
		for m := range deliveries {
			seen(m.Body)
			_ = m.Ack(false) // what is not acknowledged comes again
		}
	}()
	return r, nil
}

func (r *recovering) dial() (*amqp.Connection, *amqp.Channel, error) {
	conn, err := amqp.DialConfig(r.at.url, amqp.Config{Heartbeat: 10 * time.Second, Locale: "en_US", Recovery: &amqp.Recovery{}})
	if err != nil {
		return nil, nil, err
	}
	ch, err := conn.Channel()
	return conn, ch, err
}

func (r *recovering) attempt(ctx context.Context, body []byte) error {
	return r.writing.PublishWithContext(ctx, "", r.at.queue, false, false, amqp.Publishing{DeliveryMode: amqp.Persistent, Body: body})
}

func (r *recovering) close(context.Context) error {
	_, _ = r.pub.Close(), r.con.Close() // they may be between two connections
	return nil
}
