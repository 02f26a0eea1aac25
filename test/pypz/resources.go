package pypz

import (
	"errors"

	amqp "github.com/rabbitmq/amqp091-go"
)

// admin does f on a connection of its own, as the original does for all of this.
func admin(url string, f func(*link) (bool, error)) (bool, error) {
	l, err := dial(url)
	if err != nil {
		return false, err
	}
	done, err := f(l)
	return done, errors.Join(err, l.close())
}

// create declares what a reader's principal declares (channels.py:394).
func create(l *link, o *Options) (bool, error) {
	if err := l.ch.ExchangeDeclare(o.Channel, o.exchangeKind(), true, false, false, false, nil); err != nil {
		return false, err
	}
	for _, queue := range o.dataQueues() {
		if _, err := l.ch.QueueDeclare(queue, true, false, false, false, nil); err != nil {
			return false, err
		}
		if err := l.ch.QueueBind(queue, "", o.Channel, false, nil); err != nil {
			return false, err
		}
	}
	for _, stream := range []string{o.readerStream(), o.writerStream()} {
		if _, err := l.ch.QueueDeclare(stream, true, false, false, false, amqp.Table{"x-queue-type": "stream"}); err != nil {
			return false, err
		}
	}
	return true, nil
}

// remove deletes it all again, up to the first that is still used (channels.py:453).
func remove(l *link, o *Options) (bool, error) {
	for _, queue := range o.dataQueues() {
		if done, err := removeQueue(l, queue); !done || err != nil {
			return false, err
		}
	}
	if there, err := exchangeThere(l, o.Channel, o.exchangeKind()); err != nil {
		return false, err
	} else if there {
		if done, err := inUse(l, l.ch.ExchangeDelete(o.Channel, true, false)); !done || err != nil {
			return false, err
		}
	}
	for _, stream := range []string{o.readerStream(), o.writerStream()} {
		if there, err := queueThere(l, stream); err != nil {
			return false, err
		} else if there {
			_, err := l.ch.QueueDelete(stream, true, false, false)
			if done, err := inUse(l, err); !done || err != nil {
				return false, err
			}
		}
	}
	return true, nil
}

// removeQueue deletes a data queue that nobody consumes, if need be with records in it.
func removeQueue(l *link, queue string) (bool, error) {
	if there, err := queueThere(l, queue); !there || err != nil {
		return err == nil, err
	}
	_, err := l.ch.QueueDelete(queue, true, true, false)
	if done, err := inUse(l, err); done || err != nil {
		return done, err
	}
	_, err = l.ch.QueueDelete(queue, true, false, false)
	return inUse(l, err)
}

// inUse turns "406, still used" into not done yet.
func inUse(l *link, err error) (done bool, _ error) {
	if refused(err, amqp.PreconditionFailed) {
		return false, l.revive()
	}
	return err == nil, err
}

// queueThere: utils.py:26.
func queueThere(l *link, queue string) (bool, error) {
	_, err := l.ch.QueueDeclarePassive(queue, false, false, false, false, nil)
	return isThere(l, err)
}

// exchangeThere: utils.py:34.
func exchangeThere(l *link, exchange, kind string) (bool, error) {
	return isThere(l, l.ch.ExchangeDeclarePassive(exchange, kind, false, false, false, false, nil))
}

func isThere(l *link, err error) (bool, error) {
	if refused(err, amqp.NotFound) {
		return false, l.revive()
	}
	return err == nil, err
}

// allThere says whether all queues are there.
func allThere(l *link, queues ...string) (bool, error) {
	for _, queue := range queues {
		if there, err := queueThere(l, queue); !there || err != nil {
			return false, err
		}
	}
	return true, nil
}
