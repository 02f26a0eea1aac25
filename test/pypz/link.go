package pypz

import (
	"errors"
	"net"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// dialTimeout is nothing of the original's: it keeps a test from hanging on a broker that says nothing.
const dialTimeout = 20 * time.Second

// link is a connection with one channel. The original has one for each consumer and each producer (utils.py:44).
type link struct {
	conn   *amqp.Connection
	socket net.Conn
	ch     *amqp.Channel
}

func dial(url string) (*link, error) {
	l := new(link)
	config := amqp.Config{Dial: func(network, addr string) (net.Conn, error) {
		socket, err := amqp.DefaultDial(dialTimeout)(network, addr)
		l.socket = socket
		return socket, err
	}}
	var err error
	if l.conn, err = amqp.DialConfig(url, config); err != nil {
		return nil, err
	}
	if l.ch, err = l.conn.Channel(); err != nil {
		return nil, errors.Join(err, l.close())
	}
	return l, nil
}

// revive opens the channel again that an exception has closed, as py-amqp does by itself.
func (l *link) revive() (err error) {
	l.ch, err = l.conn.Channel()
	return err
}

// close ends the connection in order. One that is closed already has nothing to say (py-amqp).
func (l *link) close() error {
	if err := l.conn.Close(); !errors.Is(err, amqp.ErrClosed) {
		return err
	}
	return nil
}

// kill drops the connection as the death of a process does.
func (l *link) kill() {
	gone := l.conn.NotifyClose(make(chan *amqp.Error, 1))
	if tcp, ok := l.socket.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // what is not sent yet is lost, too
	}
	_ = l.socket.Close()
	for range gone { // until amqp091-go has ended all that it runs
	}
}

// refused says whether the broker closed the channel with that code: 404, 406.
func refused(err error, code int) bool {
	var is *amqp.Error
	return errors.As(err, &is) && is.Code == code
}
