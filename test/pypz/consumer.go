package pypz

import (
	"errors"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// ErrCancelled: the broker has cancelled a consumer, since its queue was deleted. A poll says so once; from then on the consumer is deaf (py-amqp, ConsumerCancelled).
var ErrCancelled = errors.New("consumer cancelled by the broker")

var errSilence = errors.New("nothing came")

// consumer is MessageConsumer (utils.py:60).
type consumer struct {
	*link
	name   string
	max    int // of one poll, and the prefetch
	queues []string
	in     [2]<-chan amqp.Delivery // of up to two subscriptions; nil: none, or a deaf one
	got    []amqp.Delivery         // taken from the broker and not polled yet
}

func newConsumer(url, name string, limit int) (*consumer, error) {
	l, err := dial(url)
	if err != nil {
		return nil, err
	}
	if err := l.ch.Qos(limit, 0, false); err != nil {
		return nil, errors.Join(err, l.close())
	}
	return &consumer{link: l, name: name, max: limit}, nil
}

// fromFirst is how status streams are consumed.
func fromFirst() amqp.Table { return amqp.Table{"x-stream-offset": "first"} }

func (c *consumer) subscribe(queue string, args amqp.Table) error {
	in, err := c.ch.Consume(queue, c.name+"-"+queue, false, false, false, false, args)
	if err != nil {
		return err
	}
	c.in[len(c.queues)] = in
	c.queues = append(c.queues, queue)
	return nil
}

// poll gives up to max messages; it ends when nothing has come for so long. After an error, what it has got is the next poll's (utils.py:129).
func (c *consumer) poll(silence time.Duration) ([]amqp.Delivery, error) {
	for len(c.got) < c.max {
		d, err := c.next(silence)
		if errors.Is(err, errSilence) {
			break
		}
		if err != nil {
			return nil, err
		}
		c.got = append(c.got, d)
	}
	got := c.got
	c.got = nil
	return got, nil
}

func (c *consumer) next(silence time.Duration) (amqp.Delivery, error) {
	timer := time.NewTimer(silence)
	defer timer.Stop()
	select {
	case d, ok := <-c.in[0]:
		return c.taken(0, d, ok)
	case d, ok := <-c.in[1]:
		return c.taken(1, d, ok)
	case <-timer.C:
		return amqp.Delivery{}, errSilence
	}
}

func (c *consumer) taken(i int, d amqp.Delivery, ok bool) (amqp.Delivery, error) {
	switch {
	case ok:
		return d, nil
	case c.conn.IsClosed():
		return d, amqp.ErrClosed // at every poll: nothing reconnects
	}
	c.in[i] = nil
	return d, ErrCancelled
}

// commit acknowledges all that the broker has delivered, polled or not (utils.py:155).
func (c *consumer) commit() error { return c.ch.Ack(0, true) }

// hasRecords asks the broker how many are ready; what others hold unacknowledged does not count (utils.py:110).
func (c *consumer) hasRecords() (bool, error) {
	ready := 0
	for _, queue := range c.queues {
		q, err := c.ch.QueueDeclarePassive(queue, false, false, false, false, nil)
		if err != nil {
			return false, err
		}
		ready += q.Messages
	}
	// The original counts only what it has drained from its socket; amqp091-go drains by itself, and what it holds is in c.in.
	return ready > 0 || len(c.got) > 0, nil
}
