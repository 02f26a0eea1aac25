package rabbitmq

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/d2e2d648/weir/broker"
)

const (
	// A channel that cannot be closed is left to itself, but not for ever and not in any number: then the whole connection is cut.
	// RabbitMQ 4 lets a channel hang for 64 s when the node of its classic queue is gone.
	partingSlow = 5 * time.Second // then it counts as stuck
	maxStuck    = 256
	partingTime = 90 * time.Second

	goodbyeTime = time.Second // for connection.close and its answer
)

// link is one AMQP connection: amqp091's and the wire below it.
type link struct {
	address string
	conn    *amqp.Connection
	wire    *wire
	max     int // channels
	onGone  func(*link, error)

	turn  chan struct{} // held from an opening's begin until its channel.open is written
	stuck atomic.Int32  // channels that cannot be closed

	// The keeper's, under its lock.
	channels  int // how many sessions have one
	born      time.Time
	idleSince time.Time
	blocked   bool // by the broker's alarm
}

// dialer makes links.
type dialer struct {
	config  *Config
	purpose string       // part of the connection's name
	hold    *atomic.Bool // see wire
	onHold  func(*link, bool)
	onGone  func(*link, error)
	onMade  func()
	good    atomic.Int32 // the address to begin with
}

// round tries each address once, beginning with the last good one. Of several errors the broker's own answer counts most.
func (d *dialer) round(ctx context.Context) (*link, error) {
	var worst error
	n := int32(len(d.config.Addresses))
	first := d.good.Load()
	for i := range n {
		at := (first + i) % n
		l, err := d.dial(ctx, d.config.Addresses[at])
		if err == nil {
			d.good.Store(at)
			return l, nil
		}
		if _, told := dialKind(err); worst == nil || told {
			kind, _ := dialKind(err)
			worst = failure("connect to "+d.config.Addresses[at], kind, err)
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil, worst
}

// dial makes one connection, handshakes included, within Config.DialTimeout.
func (d *dialer) dial(ctx context.Context, address string) (*link, error) {
	ctx, cancel := context.WithTimeout(ctx, d.config.DialTimeout)
	defer cancel()
	credentials, err := d.config.credentials(ctx)
	if err != nil {
		return nil, err
	}
	nc, raw, err := d.config.socket(ctx, address)
	if err != nil {
		return nil, err
	}
	l := &link{address: address, turn: make(chan struct{}, 1), onGone: d.onGone}
	l.wire = newWire(nc, raw, d.hold)
	l.wire.onLost = l.lost
	l.wire.onHold = func(on bool) { d.onHold(l, on) }
	stop := context.AfterFunc(ctx, func() { l.wire.fail(context.Cause(ctx)) })
	if err = l.handshake(d, credentials); err == nil && !stop() {
		err = context.Cause(ctx)
	}
	if err != nil {
		stop()
		l.cut(err)
		return nil, err
	}
	l.wire.established(l.conn.Config.Heartbeat)
	d.onMade()
	return l, nil
}

var errSelf = errors.New("the socket is connected to itself: nobody listens there")

// socket connects, with TLS where it is configured. raw is the socket below: closing that never waits for the peer.
func (c *Config) socket(ctx context.Context, address string) (nc, raw net.Conn, err error) {
	raw, err = (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, nil, err
	}
	if isSelf(raw) {
		raw.Close()
		return nil, nil, errSelf
	}
	if c.TLS == nil {
		return raw, raw, nil
	}
	secure := tls.Client(raw, c.tlsFor(address))
	if err := secure.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, nil, fmt.Errorf("TLS: %w", err)
	}
	return secure, raw, nil
}

// isSelf says that a dial within the range of ephemeral ports has met itself.
func isSelf(nc net.Conn) bool { return nc.LocalAddr().String() == nc.RemoteAddr().String() }

func (l *link) handshake(d *dialer, credentials Credentials) error {
	conn, err := amqp.Open(l.wire, amqp.Config{
		SASL:       []amqp.Authentication{&amqp.PlainAuth{Username: credentials.User, Password: credentials.Password.Reveal()}},
		Vhost:      d.config.VHost,
		ChannelMax: maxChannels,
		FrameSize:  frameMax,
		Heartbeat:  d.config.Heartbeat,
		Locale:     "en_US",
		Properties: amqp.Table{
			"product":         "weir",
			"platform":        runtime.Version(),
			"connection_name": d.config.Name + " (" + d.purpose + ")",
		},
	})
	if err != nil {
		if cause := l.wire.ended(); cause != nil && !errors.Is(cause, net.ErrClosed) && !serverSaid(err) {
			return cause // amqp091 makes a refused login of whatever ends the socket
		}
		return err
	}
	l.conn, l.max = conn, int(conn.Config.ChannelMax)
	return nil
}

func serverSaid(err error) bool {
	var answer *amqp.Error
	return errors.As(err, &answer) && answer.Server
}

// frameMax is the largest frame that both sides allow.
func (l *link) frameMax() int { return l.conn.Config.FrameSize }

// lost follows the wire's end.
func (l *link) lost(cause error) {
	why := lost(l.address, cause)
	l.onGone(l, why) // first: whoever is told opens again at once, and not on this one
	l.wire.each(func(e endpoint) { e.base().end(why) })
}

// cut ends the connection at once and waits for its flusher.
func (l *link) cut(cause error) {
	l.wire.fail(cause)
	<-l.wire.done
}

// close ends the connection politely. Its sessions end with the cause before.
func (l *link) close(cause error) {
	l.wire.foretell(cause)
	l.wire.each(func(e endpoint) { e.base().end(lost(l.address, cause)) })
	limit := time.AfterFunc(goodbyeTime, func() { l.wire.fail(cause) })
	defer limit.Stop()
	_ = l.conn.Close() // the wire never blocks it: it ends with the answer or with the wire
	l.cut(cause)
}

// open opens an AMQP channel (20,10).
func (l *link) open() (*amqp.Channel, uint16, error) {
	select {
	case l.turn <- struct{}{}:
	case <-l.wire.done:
		return nil, 0, l.gone()
	}
	written := sync.OnceFunc(func() { <-l.turn })
	defer written()
	o := &channelOpening{written: written}
	l.wire.expect(o)
	ch, err := l.conn.Channel()
	if err != nil {
		if cause := l.wire.ended(); cause != nil {
			err = l.gone()
		}
		return nil, 0, err
	}
	return ch, o.channel, nil
}

// gone is why the connection ended.
func (l *link) gone() error { return lost(l.address, l.wire.ended()) }

// attach lets the session have its channel's frames, unless the connection has gone.
func (l *link) attach(e endpoint) {
	l.wire.attach(e)
	if l.wire.ended() != nil {
		e.base().end(l.gone())
	}
}

// parting looks after a channel that is being closed, until the caller calls what it returns.
func (l *link) parting() (left func()) {
	var mu sync.Mutex // timer and stuck: the timer's goroutine and the caller
	var timer *time.Timer
	stuck := false
	mu.Lock()
	defer mu.Unlock()
	timer = time.AfterFunc(partingSlow, func() {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case timer == nil: // it has been closed meanwhile
		case l.wire.isBlocked(): // it cannot be closed while the alarm is on
			timer.Reset(partingTime)
		case stuck:
			l.wire.fail(fmt.Errorf("a channel of this connection could not be closed within %v", partingTime))
		case l.stuck.Add(1) > maxStuck:
			l.wire.fail(fmt.Errorf("%d channels of this connection cannot be closed", maxStuck))
		default:
			stuck = true
			timer.Reset(partingTime)
		}
	})
	return func() {
		mu.Lock()
		defer mu.Unlock()
		timer.Stop()
		timer = nil
		if stuck {
			l.stuck.Add(-1)
		}
	}
}

var errCloseLost = fmt.Errorf("%w: the connection ended before the channel was closed", broker.ErrUnavailable)
