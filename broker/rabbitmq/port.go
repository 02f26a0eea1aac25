package rabbitmq

import (
	"context"
	"sync"

	"github.com/d2e2d648/weir/broker"
)

// Port is a broker.Port on RabbitMQ. It is safe for concurrent use.
type Port struct {
	stop       context.CancelFunc
	tasks      sync.WaitGroup // all goroutines that outlive a call, but amqp091's
	publishing *keeper
	consuming  *keeper
	topology   *topology
}

var _ broker.Port = (*Port)(nil)

// New makes a port. It connects to nothing yet: connections come with the first sessions and requests. An error says what of the
// configuration has to be mended. The port must be closed.
func New(config Config) (*Port, error) {
	c, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	p := &Port{stop: stop}
	p.publishing = newKeeper(ctx, &p.tasks, &c, "publish")
	p.consuming = newKeeper(ctx, &p.tasks, &c, "consume")
	p.topology = newTopology(ctx, &p.tasks, &c)
	for _, d := range []*dialer{&p.publishing.dialer, &p.consuming.dialer, &p.topology.dialer} {
		d.onMade = p.heard
	}
	p.topology.crowded = func() bool { return p.publishing.connections()+p.consuming.connections() > 2 }
	return p, nil
}

// heard follows each connection that was made.
func (p *Port) heard() {
	p.publishing.heard()
	p.consuming.heard()
	p.topology.heard()
}

// Lease makes a lease. It never blocks. On a closed port everything the lease is asked for ends with ErrClosed.
func (p *Port) Lease(owner string) broker.Lease {
	return &lease{port: p, owner: owner, sessions: map[*session]struct{}{}}
}

// Close ends all sessions and requests with ErrClosed, and every connection. It blocks until nothing is left, a second or two at most; what sessions
// had not flushed by then is lost, so close them before. Idempotent.
func (p *Port) Close() {
	p.stop()
	p.publishing.shutIdle()
	p.consuming.shutIdle()
	p.topology.shutDown()
	p.tasks.Wait()
}
