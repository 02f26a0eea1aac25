package rabbitstream

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/d2e2d648/weir/broker"
)

const (
	// maxFrame is the largest that is proposed.
	maxFrame = 1 << 20
	// answerLimit is how long an answer is waited for.
	answerLimit = 5 * time.Second
	// maxOpenings is how many may look around at a time before they open: each is a connection. What comes behind that, under an alarm, is not answered, and takes the place of no other.
	maxOpenings = 16
	// closeLimit is what is left for that when the port is closed, and to a connection that is for its last frames.
	closeLimit = 2 * time.Second
)

// Port is a broker.Port on RabbitMQ's streams. It is safe for concurrent use.
type Port struct {
	config     Config
	requests   broker.Port
	ctx        context.Context
	stop       context.CancelFunc
	tasks      sync.WaitGroup // all goroutines that outlive a call
	openings   chan struct{}
	good       atomic.Int32  // index of the address that answered last
	answer     time.Duration // answerLimit
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
	p := &Port{config: c, requests: requests, openings: make(chan struct{}, maxOpenings), answer: answerLimit}
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
		kind, _ := errorKind(err)
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
