package pypz_test

import (
	"errors"
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"
)

// raw does something on a channel and a connection of its own.
func (s *scene) raw(f func(*amqp.Channel) error) error {
	s.Helper()
	conn, err := amqp.Dial(s.node.URL())
	s.must(err)
	ch, err := conn.Channel()
	if err == nil {
		err = f(ch)
	}
	return errors.Join(err, conn.Close())
}

// ready is how many records a queue has for whoever consumes it next.
func (s *scene) ready(queue string) (n int) {
	s.Helper()
	s.must(s.raw(func(ch *amqp.Channel) error {
		q, err := ch.QueueDeclarePassive(queue, false, false, false, false, nil)
		n = q.Messages
		return err
	}))
	return n
}

// isThere says whether a queue is there.
func (s *scene) isThere(queue string) bool {
	s.Helper()
	err := s.raw(func(ch *amqp.Channel) error {
		_, err := ch.QueueDeclarePassive(queue, false, false, false, false, nil)
		return err
	})
	if is := (*amqp.Error)(nil); errors.As(err, &is) && is.Code == amqp.NotFound {
		return false
	}
	s.must(err)
	return true
}

// say publishes statuses, or what is none, on a status stream; it returns when the broker has them.
func (s *scene) say(stream string, bodies ...string) {
	s.Helper()
	s.must(s.raw(func(ch *amqp.Channel) error {
		if err := ch.Confirm(false); err != nil {
			return err
		}
		confirms := make([]*amqp.DeferredConfirmation, len(bodies))
		for i, body := range bodies {
			m := amqp.Publishing{ContentEncoding: "utf-8", Body: []byte(body)}
			var err error
			if confirms[i], err = ch.PublishWithDeferredConfirmWithContext(s.ctx, "", stream, true, false, m); err != nil {
				return err
			}
		}
		for _, confirm := range confirms {
			if ok, err := confirm.WaitContext(s.ctx); err != nil || !ok {
				return fmt.Errorf("not confirmed: %w", err)
			}
		}
		return nil
	}))
}
