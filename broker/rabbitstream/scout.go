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

// question is what a session has to know. An empty stream asks for no more than a handshake.
type question struct {
	stream, publisher, consumer string
	from                        *broker.StreamOffset // where a consumer begins of whom nothing is stored; nil: no consumer begins
	afresh                      bool                 // or is, but does not count
	mark                        bool                 // where it begins is to be stored, when nothing is
}

// findings are the answers.
type findings struct {
	address  string
	login    rabbitmq.Credentials
	frameMax int

	missing      bool   // there is no such stream
	lastSequence uint64 // of the publisher
	stored       uint64 // offset of the consumer
	hasStored    bool
	next, end    uint64 // offset where the consumer begins, and where the stream ends
	self, leader string // host:port that the node advertises, and the stream's leader does
}

// place is the offset behind the stored one; 0: nothing is stored.
func (f *findings) place() uint64 {
	if !f.hasStored {
		return 0
	}
	return f.stored + 1
}

// elsewhere says that another node is to be asked: only the stream's leader knows its end.
func (f *findings) elsewhere(q question) bool {
	return q.from != nil && !f.missing && f.leader != f.self
}

// scout goes through the whole handshake and asks, on a connection of its own that lives no longer.
type scout struct {
	conn   net.Conn
	read   *bufio.Reader
	asked  uint32
	tries  uint8 // subscriptions that were made
	config *Config
	findings
}

// look sends scouts to the addresses in turn, the last good one first, until one comes back. It blocks for one DialTimeout an address at most. Who does not answer is not asked first the next time: the caller may have no time left to
// ask another, now as then.
func (p *Port) look(ctx context.Context, q question) (f findings, err error) {
	first := int(p.good.Load())
	for i := range p.config.Addresses {
		n := (first + i) % len(p.config.Addresses)
		if f, err = p.lookAt(ctx, p.config.Addresses[n], q); err == nil {
			p.good.Store(int32(n))
			return f, nil
		}
		if _, told := scoutKind(err); told {
			break
		}
		p.good.CompareAndSwap(int32(n), int32((n+1)%len(p.config.Addresses)))
		if ctx.Err() != nil {
			break
		}
	}
	return f, err
}

// lookAt goes on to the stream's leader where it must.
func (p *Port) lookAt(ctx context.Context, address string, q question) (findings, error) {
	limit := p.config.DialTimeout
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("no answer within %v", limit))
	defer cancel()
	f, err := p.visit(ctx, address, q)
	if err != nil || !f.elsewhere(q) {
		return f, err
	}
	if f, err = p.visit(ctx, f.leader, q); err == nil && f.elsewhere(q) {
		err = fmt.Errorf("%s led the stream, and does not any more", f.self)
	}
	f.address = address
	return f, err
}

func (p *Port) visit(ctx context.Context, address string, q question) (findings, error) {
	s := &scout{config: &p.config}
	s.address = address
	err := s.dial(ctx)
	if err == nil {
		// Whatever it waits for ends with the context.
		stop := context.AfterFunc(ctx, func() { _ = s.conn.SetDeadline(time.Unix(1, 0)) })
		err = s.find(q)
		stop()
		s.conn.Close()
	}
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		return s.findings, fmt.Errorf("%s: %w", address, err)
	}
	return s.findings, nil
}

func (s *scout) dial(ctx context.Context) (err error) {
	if s.login, err = s.config.Login(ctx); err != nil {
		return err
	}
	var d net.Dialer
	if s.conn, err = d.DialContext(ctx, "tcp", s.address); err != nil {
		return err
	}
	if s.conn.LocalAddr().String() == s.conn.RemoteAddr().String() { // TCP can do that where nobody listens
		s.conn.Close()
		return errors.New("connected to itself")
	}
	if s.config.TLS == nil {
		return nil
	}
	secure := tls.Client(s.conn, s.config.TLSFor(s.address))
	if err := secure.HandshakeContext(ctx); err != nil {
		s.conn.Close()
		return err
	}
	s.conn = secure
	return nil
}

func (s *scout) find(q question) error {
	s.read = bufio.NewReader(s.conn)
	for _, step := range []func() error{s.greet, s.authenticate, s.open} {
		if err := step(); err != nil {
			return err
		}
	}
	if q.stream == "" {
		return nil
	}
	if err := s.locate(q.stream); err != nil || s.missing {
		return err
	}
	if err := s.recall(q); err != nil {
		return err
	}
	if q.from != nil && !s.elsewhere(q) {
		if err := s.begin(q); err != nil {
			return err
		}
		if err := s.mark(q); err != nil {
			return err
		}
	}
	_, _ = s.conn.Write(newFrame(closeConnection).u32(s.asked + 1).u16(codeOK).text("OK").sealed())
	return nil
}

// ask sends a command with what arguments append, and waits for its answer.
func (s *scout) ask(key uint16, arguments func(frame) frame) (*fields, error) {
	s.asked++
	if _, err := s.conn.Write(arguments(newFrame(key).u32(s.asked)).sealed()); err != nil {
		return nil, err
	}
	return s.await(key | answer)
}

// await skips what the broker says of its own accord.
func (s *scout) await(key uint16) (*fields, error) {
	for {
		got, f, err := s.hear()
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
func (s *scout) hear() (key uint16, f *fields, err error) {
	if key, f, err = readFrame(s.read); err == nil && key == closeConnection {
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

func (s *scout) greet() error {
	f, err := s.ask(peerProperties, func(f frame) frame {
		return f.u32(2).text("product").text("weir").text("connection_name").text(s.config.Name + " scout")
	})
	if err != nil {
		return err
	}
	return ok(f, "the greeting")
}

func (s *scout) authenticate() error {
	f, err := s.ask(saslHandshake, none)
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
	f, err = s.ask(saslAuthenticate, func(f frame) frame {
		return f.text("PLAIN").bytes([]byte("\x00" + s.login.User + "\x00" + s.login.Password.Reveal()))
	})
	if err != nil {
		return err
	}
	return ok(f, "the login")
}

func (s *scout) open() error {
	f, err := s.await(tune)
	if err != nil {
		return err
	}
	s.frameMax = maxFrame
	limit, heartbeat := f.u32(), f.u32()
	if limit > 0 {
		s.frameMax = min(s.frameMax, int(limit))
	}
	if _, err := s.conn.Write(newFrame(tune | answer).u32(uint32(s.frameMax)).u32(heartbeat).sealed()); err != nil {
		return err
	}
	f, err = s.ask(openVHost, func(f frame) frame { return f.text(s.config.VHost) })
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
	s.self = net.JoinHostPort(host, port)
	return nil
}

// locate looks for the stream and its leader.
func (s *scout) locate(name string) error {
	f, err := s.ask(metadata, func(f frame) frame { return f.u32(1).text(name) })
	if err != nil {
		return err
	}
	nodes := map[uint16]string{}
	f.each(func() {
		reference, host, port := f.u16(), f.text(), f.u32()
		nodes[reference] = net.JoinHostPort(host, fmt.Sprint(port))
	})
	f.each(func() {
		f.text()
		code, leader := f.u16(), f.u16()
		replicas := f.u32()
		switch {
		case f.short:
			err = errFrame
		case code == codeNoStream:
			s.missing = true
		case code != codeOK:
			err = &refusal{code, "the question for the stream"}
		case nodes[leader] == "":
			err = errNoLeader
		case !s.config.Advertised && (nodes[leader] != s.self || replicas > 0):
			err = fmt.Errorf("the stream's leader is %s, here is %s, and it has %d replicas: a cluster needs Config.Advertised", nodes[leader], s.self, replicas)
		}
		f.take(2 * int(replicas))
		s.leader = nodes[leader]
	})
	return err
}

// recall asks what is kept under the names.
func (s *scout) recall(q question) error {
	if q.publisher != "" {
		f, err := s.ask(querySequence, func(f frame) frame { return f.text(q.publisher).text(q.stream) })
		if err != nil {
			return err
		}
		if err := ok(f, "the question for the last sequence"); err != nil {
			return err
		}
		s.lastSequence = f.u64()
	}
	if q.consumer != "" {
		return s.recallOffset(q)
	}
	return nil
}

func (s *scout) recallOffset(q question) error {
	f, err := s.ask(queryOffset, func(f frame) frame { return f.text(q.consumer).text(q.stream) })
	if err != nil {
		return err
	}
	switch code := f.u16(); code {
	case codeOK:
		s.stored, s.hasStored = f.u64(), true
	case codeNoOffset:
	default:
		return &refusal{code, "the question for the stored offset"}
	}
	return nil
}

// markTries and markPause bound the wait for a mark: who may not store is not told so.
const markTries, markPause = 25, 10 * time.Millisecond

// mark stores where the consumer begins, when nothing is stored.
func (s *scout) mark(q question) error {
	if !q.mark || q.consumer == "" || s.hasStored || s.next == 0 {
		return nil
	}
	if _, err := s.conn.Write(newFrame(storeOffset).text(q.consumer).text(q.stream).u64(s.next - 1).sealed()); err != nil {
		return err
	}
	for range markTries {
		if err := s.recallOffset(q); err != nil || s.hasStored {
			return err
		}
		time.Sleep(markPause)
	}
	return nil
}
