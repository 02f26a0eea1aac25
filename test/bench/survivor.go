package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/d2e2d648/weir/test/rabbit"
)

const (
	// attemptEvery is how often a record is attempted, as long as the attempt before is over.
	attemptEvery = 2 * time.Millisecond
	// neverAfter is when a client counts as one that does not come back.
	neverAfter = 60 * time.Second
	// dialPause is between two attempts of a hand-written loop to connect.
	dialPause = 5 * time.Millisecond
)

// survivor is a client that writes and reads one queue or stream, and may come back by itself when its connections have ended.
type survivor interface {
	// attempt writes one record, and need not wait for its confirmation. It may wait until the client is back; an error says that the record was not taken.
	attempt(ctx context.Context, body []byte) error
	close(ctx context.Context) error
}

// site is where a survivor works.
type site struct {
	node   *rabbit.Node
	kind   string
	queue  string
	url    string // of AMQP
	stream string // host:port
}

// direct does something on an AMQP channel that no fault concerns.
func (s *site) direct(do func(*amqp.Channel) error) error {
	return (&place{node: s.node}).onChannel(do)
}

// declare makes the queue or the stream.
func (s *site) declare() error {
	return s.direct(func(ch *amqp.Channel) error {
		_, err := ch.QueueDeclare(s.queue, true, false, false, false, amqp.Table{"x-queue-type": s.kind})
		return err
	})
}

// clear deletes it, and what weir has beside it.
func (s *site) clear() error {
	return s.direct(func(ch *amqp.Channel) error {
		for _, queue := range []string{s.queue, s.queue + ".dead", s.queue + ".reader.status", s.queue + ".writer.status"} {
			if _, err := ch.QueueDelete(queue, false, false, false); err != nil {
				return err
			}
		}
		return ch.ExchangeDelete(s.queue, false, false)
	})
}

// ride has a survivor write all the time, and says when a record first arrives that was attempted after some moment. All moments are counted from epoch.
type ride struct {
	survivor
	client string
	epoch  time.Time
	since  atomic.Int64       // of whoever waits; notWaiting otherwise
	first  chan time.Duration // when the record arrived
	stop   context.CancelFunc
	done   chan struct{}
}

const notWaiting = math.MaxInt64

func newRide(client string) *ride {
	r := &ride{client: client, epoch: time.Now(), first: make(chan time.Duration, 1), done: make(chan struct{})}
	r.since.Store(notWaiting)
	return r
}

// start begins to write. The survivor has been told to call seen for what it reads.
func (r *ride) start(ctx context.Context, s survivor) {
	r.survivor = s
	ctx, r.stop = context.WithCancel(ctx)
	go func() {
		defer close(r.done)
		beat := time.NewTicker(attemptEvery)
		defer beat.Stop()
		for {
			select {
			case <-beat.C:
				_ = s.attempt(ctx, binary.BigEndian.AppendUint64(nil, uint64(time.Since(r.epoch)))) // the next one follows anyway
			case <-ctx.Done():
				return
			}
		}
	}()
}

// seen takes what arrives, by any goroutine.
func (r *ride) seen(body []byte) {
	now, since := time.Since(r.epoch), r.since.Load()
	if len(body) == 8 && int64(binary.BigEndian.Uint64(body)) >= since && r.since.CompareAndSwap(since, notWaiting) {
		r.first <- now
	}
}

// from says since when the next record that counts is to be attempted: from now on.
func (r *ride) from() time.Duration {
	now := time.Since(r.epoch)
	r.since.Store(int64(now))
	return now
}

// back waits for that record, and says how long after from it arrived; false when it did not within neverAfter.
func (r *ride) back(ctx context.Context, from time.Duration) (took time.Duration, is bool, err error) {
	never := time.NewTimer(neverAfter)
	defer never.Stop()
	select {
	case at := <-r.first:
		return at - from, true, nil
	case <-ctx.Done():
		return 0, false, ctx.Err()
	case <-never.C:
	}
	if r.since.CompareAndSwap(int64(from), notWaiting) {
		return 0, false, nil
	}
	return <-r.first - from, true, nil
}

// end closes the survivor, and leaves it behind when that hangs.
func (r *ride) end(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeLimit)
	defer cancel()
	r.stop()
	err := within(ctx, func() error {
		<-r.done
		return r.close(ctx)
	})
	if err != nil {
		return fmt.Errorf("%s, when closing: %w", r.client, err)
	}
	return nil
}
