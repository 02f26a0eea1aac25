package soak

import (
	"context"
	"errors"
	"time"

	"github.com/d2e2d648/weir"
	"github.com/d2e2d648/weir/broker/embedded"
	"github.com/d2e2d648/weir/test/chaos"
	"github.com/d2e2d648/weir/test/rabbit"
)

// Broker is what channels run on.
type Broker interface {
	Name() string
	// Open makes a runtime.
	Open(ctx context.Context, options ...weir.RuntimeOption) (*weir.Runtime, error)
	// Cut ends all connections.
	Cut()
	// Away takes the broker away, calls gone, and brings the broker back when that returns.
	Away(ctx context.Context, gone func()) error
	// Rest is how long after the last work something may still end by itself.
	Rest() time.Duration
	Close() error
}

// reaped is when a stopped actor has been looked after, with something to spare: nobody announces it.
const reaped = 2500 * time.Millisecond

type inProcess struct{ *embedded.Broker }

// Embedded is the broker in this process.
func Embedded() Broker { return inProcess{embedded.Start()} }

func (b inProcess) Name() string { return "embedded" }

func (b inProcess) Open(_ context.Context, options ...weir.RuntimeOption) (*weir.Runtime, error) {
	return weir.OnPort(b.Broker, options...), nil
}

func (b inProcess) Cut() { b.Sync(b.Broker.Cut) }

// longest is more than any absence.
const longest = 24 * time.Hour

func (b inProcess) Away(_ context.Context, gone func()) error {
	b.Sync(func() {
		b.Broker.Cut()
		b.RefuseFor(longest)
	})
	gone()
	b.Sync(func() { b.RefuseFor(0) })
	return nil
}

func (b inProcess) Rest() time.Duration { return reaped }

func (b inProcess) Close() error {
	b.Stop()
	return nil
}

// onNode is a private node behind a network.
type onNode struct {
	*rabbit.Node
	network *chaos.Proxy
}

// Rabbit starts a private RabbitMQ node.
func Rabbit(ctx context.Context, version string) (Broker, error) {
	node, err := rabbit.Start(ctx, rabbit.Options{Version: version})
	if err != nil {
		return nil, err
	}
	network, err := chaos.NewProxy(node.Address())
	if err != nil {
		return nil, errors.Join(err, node.Close())
	}
	return &onNode{node, network}, nil
}

func (b *onNode) Name() string { return "RabbitMQ " + b.Version() }

func (b *onNode) Open(ctx context.Context, options ...weir.RuntimeOption) (*weir.Runtime, error) {
	return weir.Open(ctx, "amqp://guest:guest@"+b.network.Address()+"/", options...)
}

func (b *onNode) Cut() { b.network.Reset() }

func (b *onNode) Away(ctx context.Context, gone func()) error {
	b.Kill()
	gone()
	return b.Restart(ctx)
}

// Rest: a connection that nobody needs is kept for 10 s.
func (b *onNode) Rest() time.Duration { return 12 * time.Second }

func (b *onNode) Close() error {
	b.network.Close()
	return b.Node.Close()
}
