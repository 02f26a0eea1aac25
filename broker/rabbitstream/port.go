package rabbitstream

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/d2e2d648/weir/broker"
)

const (
	// maxFrame is what the client proposes.
	maxFrame = 1 << 20
	// callAnswer is how long a call of the client waits for one answer. One that opens or closes may wait for two.
	callAnswer = 5 * time.Second
	callLimit  = 12 * time.Second
	// maxHung is how many calls may be abandoned at a time: then nothing is opened. Each keeps a goroutine, and a connection of the client's.
	maxHung = 16
	// maxOpenings are carried out at a time.
	maxOpenings = 16
	// closeLimit is what is left to a call when the port is closed.
	closeLimit = 2 * time.Second
)

// Port is a broker.Port on RabbitMQ's streams. It is safe for concurrent use.
type Port struct {
	config     Config
	requests   broker.Port
	ctx        context.Context
	stop       context.CancelFunc
	tasks      sync.WaitGroup // all goroutines that outlive a call, but the client's and abandoned ones
	openings   chan struct{}
	good       atomic.Int32 // index of the address that answered last
	hung       atomic.Int32
	answer     time.Duration // callAnswer
	limit      time.Duration // callLimit
	publishing keeper
	consuming  keeper
	door       door

	mu     sync.Mutex
	closed bool
}

var _ broker.Port = (*Port)(nil)

// New makes a port whose requests go to the other port, which reaches the same broker over AMQP and is not closed with this one. It connects to nothing yet. An error
// says what of the configuration has to be mended. The port must be closed.
func New(config Config, requests broker.Port) (*Port, error) {
	c, err := config.complete()
	if err != nil {
		return nil, err
	}
	if requests == nil {
		return nil, errors.New("rabbitstream: no port for requests")
	}
	p := &Port{config: c, requests: requests, openings: make(chan struct{}, maxOpenings), answer: callAnswer, limit: callLimit}
	p.ctx, p.stop = context.WithCancel(context.Background())
	p.publishing.init(p, "publish")
	p.consuming.init(p, "consume")
	return p, nil
}

// Lease makes a lease. It never blocks. On a closed port every session on a stream ends with ErrClosed.
func (p *Port) Lease(owner string) broker.Lease {
	return &lease{port: p, owner: owner, requests: p.requests.Lease(owner), sessions: map[*session]struct{}{}}
}

// Close ends all sessions on streams with ErrClosed, and every connection for them. It blocks until nothing is left that answers, a few seconds at most; what sessions had not flushed is lost,
// so close them before. Idempotent.
func (p *Port) Close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.stop()
	p.tasks.Wait()
}

// Probe asks for nothing but an answer: that the stream protocol is spoken there, and the credentials are accepted. It blocks for one DialTimeout an address at most.
func (p *Port) Probe(ctx context.Context) error {
	if _, err := p.look(ctx, question{}); err != nil {
		kind, _ := scoutKind(err)
		return failure("probe streams", kind, err)
	}
	return nil
}

// begin starts a task, unless the port is closed.
func (p *Port) begin(task func()) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	p.tasks.Go(task)
	return true
}

var errHung = errors.New("a call of the stream client does not come back")

// call carries out a call of the client and gives it up at the limit, when it has not come back and patient, asked then, says no (nil: at once). What comes back
// later is for late.
func (p *Port) call(limit time.Duration, f func() error, patient func() bool, late func()) error {
	var settled atomic.Bool
	done := make(chan error, 1)
	go func() {
		err := caught(f)
		if settled.CompareAndSwap(false, true) {
			done <- err
			return
		}
		p.hung.Add(-1)
		late()
	}()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	closing := p.ctx.Done()
	for {
		select {
		case err := <-done:
			return err
		case <-closing:
			closing = nil
			timer.Reset(min(limit, closeLimit))
			continue
		case <-timer.C:
		}
		if p.ctx.Err() == nil && patient != nil && patient() {
			timer.Reset(limit)
			continue
		}
		p.hung.Add(1)
		if settled.CompareAndSwap(false, true) {
			return errHung
		}
		p.hung.Add(-1)
		return <-done
	}
}

// caught gives a panic as an error.
func caught(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		}
	}()
	return f()
}
