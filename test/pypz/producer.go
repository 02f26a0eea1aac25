package pypz

import (
	"context"
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"
)

// producer is MessageProducer (utils.py:158): no confirms, no delivery mode, so transient.
type producer struct {
	*link
	returns chan amqp.Return
}

func newProducer(url string) (*producer, error) {
	l, err := dial(url)
	if err != nil {
		return nil, err
	}
	return &producer{link: l, returns: l.ch.NotifyReturn(make(chan amqp.Return, 1000))}, nil
}

// publish sends text with a content_encoding and bytes without (py-amqp).
func (p *producer) publish(exchange, key string, message any) error {
	if err := p.returned(); err != nil {
		return err
	}
	m := amqp.Publishing{}
	switch message := message.(type) {
	case string:
		m.Body, m.ContentEncoding = []byte(message), utf8Encoding
	case []byte:
		m.Body = message
	default:
		return fmt.Errorf("a message is text or bytes, not a %T", message)
	}
	return p.ch.PublishWithContext(context.Background(), exchange, key, true, false, m)
}

// returned gives the error that py-amqp raises for a message that came back; it looks when it publishes next, or closes.
func (p *producer) returned() error {
	select {
	case back, ok := <-p.returns:
		if ok {
			return fmt.Errorf("returned: %d %s: exchange %q, routing key %q", back.ReplyCode, back.ReplyText, back.Exchange, back.RoutingKey)
		}
	default:
	}
	return nil
}

func (p *producer) end() error {
	if err := p.close(); err != nil {
		return err
	}
	return p.returned()
}
