package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/d2e2d648/weir/broker"
)

// perform carries one request out. It waits for the broker's answers.
func (t *topology) perform(ctx context.Context, d *desk, request broker.Request) broker.Result {
	if err := checkRequest(request); err != nil {
		return broker.Result{Err: err}
	}
	switch r := request.(type) {
	case broker.Probe:
		ch, err := t.fresh(d) // a connection that is there may have died
		if err != nil {
			return broker.Result{Err: err}
		}
		t.leave(d, ch)
		return broker.Result{}
	case broker.DeclareExchange:
		return t.simple(d, exchangeDeclare, func(ch *amqp.Channel) error {
			return ch.ExchangeDeclare(r.Name, string(r.Kind), true, false, false, false, nil)
		})
	case broker.DeclareQueue:
		return t.queue(d, func(ch *amqp.Channel) (amqp.Queue, error) {
			return ch.QueueDeclare(r.Name, true, false, false, false, queueArguments(&r.QueueOptions))
		})
	case broker.BindQueue:
		return t.simple(d, queueBind, func(ch *amqp.Channel) error {
			return ch.QueueBind(r.Queue, r.RoutingKey, r.Exchange, false, nil)
		})
	case broker.InspectQueue:
		return t.inspect(d, r.Name)
	case broker.InspectExchange:
		return t.simple(d, exchangeDeclare, func(ch *amqp.Channel) error {
			return ch.ExchangeDeclarePassive(r.Name, string(broker.Direct), true, false, false, false, nil)
		})
	case broker.DeleteQueue:
		if r.IfUnused {
			return t.deleteUnused(ctx, d, r.Name)
		}
		return t.deleteQueue(d, r.Name, false)
	case broker.DeleteExchange:
		return missingIsFine(t.simple(d, exchangeDelete, func(ch *amqp.Channel) error {
			return ch.ExchangeDelete(r.Name, r.IfUnused, false)
		}))
	}
	panic(fmt.Sprintf("rabbitmq: unknown request %T", request))
}

// checkRequest refuses what would mean something else to the broker: a queue without a name gets one from it.
func checkRequest(request broker.Request) error {
	names := []string{}
	switch r := request.(type) {
	case broker.DeclareQueue:
		names = []string{r.Name}
	case broker.BindQueue:
		names = []string{r.Queue}
	case broker.InspectQueue:
		names = []string{r.Name}
	case broker.DeleteQueue:
		names = []string{r.Name}
	}
	for _, name := range names {
		if name == "" || len(name) > 255 {
			return misuse(request.String(), "a queue's name has 1 to 255 bytes")
		}
	}
	return nil
}

// simple is a request that is one method.
func (t *topology) simple(d *desk, method uint32, f func(*amqp.Channel) error) broker.Result {
	ch, err := t.channel(d)
	if err != nil {
		return broker.Result{Err: err}
	}
	if err = f(ch); err != nil {
		return broker.Result{Err: fmt.Errorf("%w: %w", requestKind(err, method), err)}
	}
	t.leave(d, ch)
	return broker.Result{}
}

// queue is a request that is answered by queue.declare-ok (50,11).
func (t *topology) queue(d *desk, f func(*amqp.Channel) (amqp.Queue, error)) broker.Result {
	var q amqp.Queue
	result := t.simple(d, queueDeclare, func(ch *amqp.Channel) (err error) {
		q, err = f(ch)
		return err
	})
	result.Queue = broker.QueueInfo{Ready: q.Messages, Consumers: q.Consumers}
	return result
}

func (t *topology) inspect(d *desk, name string) broker.Result {
	return t.queue(d, func(ch *amqp.Channel) (amqp.Queue, error) {
		return ch.QueueDeclarePassive(name, true, false, false, false, nil)
	})
}

func (t *topology) deleteQueue(d *desk, name string, unused bool) broker.Result {
	return missingIsFine(t.simple(d, queueDelete, func(ch *amqp.Channel) error {
		_, err := ch.QueueDelete(name, unused, false, false)
		return err
	}))
}

// deleteUnused looks first: that gives the usual refusal. What nobody consumes is deleted with if-unused, which is certain on classic queues and
// ends the connection on quorum queues (540), so that takes a connection that nobody else uses. Those are then deleted as they were seen.
func (t *topology) deleteUnused(ctx context.Context, d *desk, name string) broker.Result {
	switch seen := t.inspect(d, name); {
	case seen.Err != nil:
		return missingIsFine(broker.Result{Err: seen.Err})
	case seen.Queue.Consumers > 0:
		return broker.Result{Err: fmt.Errorf("%w: %d consumers", broker.ErrInUse, seen.Queue.Consumers)}
	}
	result := t.alone(ctx, func(own *desk) broker.Result { return t.deleteQueue(own, name, true) })
	var answer *amqp.Error
	if errors.As(result.Err, &answer) && answer.Code == codeNotImplemented {
		return t.deleteQueue(d, name, false)
	}
	return result
}

func missingIsFine(r broker.Result) broker.Result {
	if errors.Is(r.Err, broker.ErrNotFound) {
		r.Err = nil
	}
	return r
}

// queueArguments are the options as arguments of queue.declare (50,10).
func queueArguments(o *broker.QueueOptions) amqp.Table {
	t := amqp.Table{}
	if o.Type != broker.UnspecifiedType {
		t["x-queue-type"] = string(o.Type)
	}
	if o.DeliveryLimit != 0 {
		t["x-delivery-limit"] = int64(o.DeliveryLimit)
	}
	if o.DeadLetterTo != "" {
		t["x-dead-letter-exchange"] = ""
		t["x-dead-letter-routing-key"] = o.DeadLetterTo
		if o.Type == broker.Quorum { // at-least-once needs both
			t["x-dead-letter-strategy"] = "at-least-once"
			t["x-overflow"] = "reject-publish"
		}
	}
	if o.MaxLength != 0 {
		t["x-max-length"] = int64(o.MaxLength)
	}
	if o.MaxBytes != 0 {
		t["x-max-length-bytes"] = o.MaxBytes
	}
	if o.SegmentBytes != 0 {
		t["x-stream-max-segment-size-bytes"] = o.SegmentBytes
	}
	if o.MaxAge != 0 && o.Type == broker.Stream {
		t["x-max-age"] = fmt.Sprintf("%ds", max(1, int64(o.MaxAge/time.Second)))
	} else if o.MaxAge != 0 {
		t["x-message-ttl"] = o.MaxAge.Milliseconds()
	}
	if o.SingleActiveConsumer {
		t["x-single-active-consumer"] = true
	}
	return t
}
