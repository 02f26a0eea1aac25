package rabbitstream

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/broker/rabbitmq"
)

// readBuffer is what is read at once of small frames. Chunks are read into their place.
const readBuffer = 64 << 10

// minHeartbeat is the shortest that is asked for: it counts in seconds, and the connection is lost when two of them are missing.
const minHeartbeat = 3 * time.Second

// conn is a connection and what its handshake has found out. A scout asks there one thing after the other; a link goes on with it.
type conn struct {
	net.Conn
	config    *Config
	purpose   string // for its name at the broker
	at        string // the address
	login     rabbitmq.Credentials
	read      *bufio.Reader
	asked     uint32
	frameMax  int
	heartbeat time.Duration
	silence   time.Duration // after which there is nobody any more; 0: never
	node      string        // host:port that the node there advertises
}

// connect dials and goes through the handshake. It blocks for one DialTimeout at most.
func (c *conn) connect(ctx context.Context) error {
	limit := c.config.DialTimeout
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("no answer within %v", limit))
	defer cancel()
	err := c.dial(ctx)
	if err == nil {
		stop := c.endWith(ctx)
		if err = c.shake(); !stop() {
			err = context.Cause(ctx)
		}
		c.silence = 2 * c.heartbeat
		if err != nil {
			c.Close()
		}
	}
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", c.at, err)
	}
	return nil
}

// endWith has whatever is waited for end with the context, until stop, which says whether it came before that.
func (c *conn) endWith(ctx context.Context) (stop func() bool) {
	return context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
}

// Read notices silence.
func (c *conn) Read(b []byte) (int, error) {
	if c.silence > 0 {
		_ = c.SetReadDeadline(time.Now().Add(c.silence))
	}
	return c.Conn.Read(b)
}

func (c *conn) dial(ctx context.Context) (err error) {
	if c.login, err = c.config.Login(ctx); err != nil {
		return err
	}
	var d net.Dialer
	if c.Conn, err = d.DialContext(ctx, "tcp", c.at); err != nil {
		return err
	}
	if c.Conn.LocalAddr().String() == c.Conn.RemoteAddr().String() { // TCP can do that where nobody listens
		c.Conn.Close()
		return errors.New("connected to itself")
	}
	if c.config.TLS == nil {
		return nil
	}
	secure := tls.Client(c.Conn, c.config.TLSFor(c.at))
	if err := secure.HandshakeContext(ctx); err != nil {
		c.Conn.Close()
		return err
	}
	c.Conn = secure
	return nil
}

// shake is the handshake.
func (c *conn) shake() error {
	c.read = bufio.NewReaderSize(c, readBuffer)
	for _, step := range []func() error{c.greet, c.authenticate, c.open} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// ask sends a command with what arguments append, and waits for its answer.
func (c *conn) ask(key uint16, arguments func(frame) frame) (*fields, error) {
	c.asked++
	if _, err := c.Conn.Write(arguments(newFrame(key).u32(c.asked)).sealed()); err != nil {
		return nil, err
	}
	return c.await(key | answer)
}

// await skips what the broker says of its own accord.
func (c *conn) await(key uint16) (*fields, error) {
	for {
		got, f, err := c.hear()
		switch {
		case err != nil:
			return nil, err
		case got != key:
			continue
		case key&answer != 0:
			f.u32()
		}
		return f, nil
	}
}

// hear is what the broker says next.
func (c *conn) hear() (key uint16, f *fields, err error) {
	if key, f, err = readFrame(c.read); err == nil && key == closeConnection {
		f.u32()
		err = fmt.Errorf("the broker closes the connection: code %d, %s", f.u16(), f.text())
	}
	return key, f, err
}

// ok takes the response code.
func ok(f *fields, what string) error {
	if code := f.u16(); code != codeOK {
		return &refusal{code, what}
	}
	return nil
}

func none(f frame) frame { return f }

func (c *conn) greet() error {
	f, err := c.ask(peerProperties, func(f frame) frame {
		return f.u32(2).text("product").text("weir").text("connection_name").text(c.config.Name + " " + c.purpose)
	})
	if err != nil {
		return err
	}
	return ok(f, "the greeting")
}

func (c *conn) authenticate() error {
	f, err := c.ask(saslHandshake, none)
	if err != nil {
		return err
	}
	if err := ok(f, "the question for SASL mechanisms"); err != nil {
		return err
	}
	var mechanisms []string
	f.each(func() { mechanisms = append(mechanisms, f.text()) })
	if !slices.Contains(mechanisms, "PLAIN") {
		return fmt.Errorf("%w: the broker does not know the SASL mechanism PLAIN", broker.ErrPermission)
	}
	f, err = c.ask(saslAuthenticate, func(f frame) frame {
		return f.text("PLAIN").bytes([]byte("\x00" + c.login.User + "\x00" + c.login.Password.Reveal()))
	})
	if err != nil {
		return err
	}
	return ok(f, "the login")
}

func (c *conn) open() error {
	f, err := c.await(tune)
	if err != nil {
		return err
	}
	c.frameMax = maxFrame
	limit, heartbeat := f.u32(), f.u32()
	if limit > 0 {
		c.frameMax = min(c.frameMax, int(limit))
	}
	wanted := uint32(max(minHeartbeat, c.config.Heartbeat) / time.Second)
	if heartbeat == 0 || heartbeat > wanted {
		heartbeat = wanted
	}
	c.heartbeat = time.Duration(heartbeat) * time.Second
	if _, err := c.Conn.Write(newFrame(tune | answer).u32(uint32(c.frameMax)).u32(heartbeat).sealed()); err != nil {
		return err
	}
	f, err = c.ask(openVHost, func(f frame) frame { return f.text(c.config.VHost) })
	if err != nil {
		return err
	}
	if err := ok(f, "opening the virtual host"); err != nil {
		return err
	}
	var host, port string
	f.each(func() {
		switch key, value := f.text(), f.text(); key {
		case "advertised_host":
			host = value
		case "advertised_port":
			port = value
		}
	})
	c.node = net.JoinHostPort(host, port)
	return nil
}
