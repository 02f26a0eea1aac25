package rabbitstream

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/d2e2d648/weir/broker"
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
	address string

	missing      bool   // there is no such stream
	lastSequence uint64 // of the publisher
	stored       uint64 // offset of the consumer
	hasStored    bool
	next, end    uint64 // offset where the consumer begins, and where the stream ends
	self, leader string // host:port that the node advertises, and the stream's leader does
	replicas     []string
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
	conn
	tries uint8 // subscriptions that were made
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
		if _, told := errorKind(err); told {
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
	s := &scout{conn: conn{config: &p.config, purpose: "scout", at: address}}
	s.address = address
	err := s.dial(ctx)
	if err == nil {
		stop := s.endWith(ctx)
		err = s.find(q)
		stop()
		s.Close()
	}
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		return s.findings, fmt.Errorf("%s: %w", address, err)
	}
	return s.findings, nil
}

func (s *scout) find(q question) error {
	if err := s.shake(); err != nil {
		return err
	}
	s.self = s.node
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
	_, _ = s.Write(newFrame(closeConnection).u32(s.asked + 1).u16(codeOK).text("OK").sealed())
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
		s.leader, s.replicas = nodes[leader], nil
		f.each(func() {
			if replica := nodes[f.u16()]; replica != "" {
				s.replicas = append(s.replicas, replica)
			}
		})
		switch {
		case f.short:
			err = errFrame
		case code == codeNoStream:
			s.missing = true
		case code != codeOK:
			err = &refusal{code, "the question for the stream"}
		case s.leader == "":
			err = errNoLeader
		case !s.config.Advertised && (s.leader != s.self || len(s.replicas) > 0):
			err = fmt.Errorf("the stream's leader is %s, here is %s, and it has %d replicas: a cluster needs Config.Advertised", s.leader, s.self, len(s.replicas))
		}
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
