package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/d2e2d648/weir"
	"github.com/d2e2d648/weir/broker/rabbitmq"
	"github.com/d2e2d648/weir/broker/rabbitstream"
	"github.com/d2e2d648/weir/test/network"
)

// networkArena is a RabbitMQ broker with a bad network before it: proxies in this process. Nothing is done to the broker but to the channel's own queue or stream.
type networkArena struct {
	flags   *brokerFlags
	timeout time.Duration
	at      string
	amqp    rabbitmq.Config      // by way of the proxies
	streams *rabbitstream.Config // the same; nil: the records go by none
	side    rabbitmq.Config      // round them

	proxies []*network.Proxy
	mu      sync.Mutex
	weather network.Weather
}

// newOwnArena puts a network before a broker that somebody else has started.
func newOwnArena(cmd *experimentCmd) (arena, error) {
	amqp, streams, err := cmd.configs()
	if err != nil {
		return nil, err
	}
	return newNetworkArena(&cmd.brokerFlags, cmd.Timeout, strings.Join(amqp.Addresses, ","), amqp, streams)
}

func newNetworkArena(flags *brokerFlags, timeout time.Duration, at string, amqp rabbitmq.Config, streams *rabbitstream.Config) (*networkArena, error) {
	a := &networkArena{flags: flags, timeout: timeout, at: at, side: amqp}
	var err error
	if a.amqp, err = a.behind(amqp, "5672", "5671"); err == nil && streams != nil {
		s := *streams
		s.Config, err = a.behind(s.Config, "5552", "5551")
		a.streams = &s
	}
	if err != nil {
		return nil, errors.Join(err, a.close())
	}
	return a, nil
}

// behind gives a configuration whose addresses are proxies before those that it had. The certificate is still that of the host behind.
func (a *networkArena) behind(c rabbitmq.Config, port, securePort string) (rabbitmq.Config, error) {
	if c.Heartbeat == 0 {
		c.Heartbeat = heartbeat
	}
	if c.TLS != nil {
		port = securePort
	}
	targets := c.Addresses
	c.Addresses = nil
	for _, target := range targets {
		host, _, err := net.SplitHostPort(target)
		if err != nil { // it names no port
			host = strings.Trim(target, "[]")
			target = net.JoinHostPort(host, port)
		}
		if c.TLS != nil {
			if c.TLS.ServerName != "" && c.TLS.ServerName != host {
				return c, usage("--broker names several hosts with TLS: one certificate's name can be checked behind the experiment's network, so name one host")
			}
			c.TLS = c.TLS.Clone()
			c.TLS.ServerName = host
		}
		proxy, err := network.NewProxy(target)
		if err != nil {
			return c, fmt.Errorf("a network before %s: %w", target, err)
		}
		a.proxies = append(a.proxies, proxy)
		c.Addresses = append(c.Addresses, proxy.Address())
	}
	return c, nil
}

func (a *networkArena) open(ctx context.Context, c *console, opts ...weir.RuntimeOption) (*weir.Runtime, error) {
	rt, err := a.flags.openAt(ctx, c, a.timeout, a.amqp, a.streams, opts...)
	if err != nil {
		return nil, fmt.Errorf("%s, behind the experiment's network: %w", a.at, err)
	}
	return rt, nil
}

func (a *networkArena) where() string               { return a.at }
func (a *networkArena) ready(context.Context) error { return nil }
func (a *networkArena) lane(k *faultKind) lane      { return k.lane }

func (a *networkArena) close() error {
	for _, p := range a.proxies {
		p.Close()
	}
	return nil
}

func (a *networkArena) begin(ctx context.Context, x *experiment, f *fault) (time.Time, error) {
	hit := time.Now() // a record takes longer than any of these
	switch f.kind.name {
	case "cut":
		a.reset()
	case "refuse": // the first byte ends a connection
		a.turn(func(w *network.Weather) { w.CutAfter = 1 })
		a.reset()
	case "flaky":
		a.turn(func(w *network.Weather) { w.CutAfter = f.count })
	case "black-hole":
		a.turn(func(w *network.Weather) { w.Silent = network.ToBroker | network.FromBroker })
	case "half-open":
		for _, p := range a.proxies {
			p.Forget(network.ToBroker | network.FromBroker)
		}
	case "latency":
		a.turn(func(w *network.Weather) { w.Delay = f.delay })
	case "throttle":
		a.turn(func(w *network.Weather) { w.Rate = f.count })
	case "slice":
		a.turn(func(w *network.Weather) { w.Slice = f.count })
	case "delete-queue", "delete-stream":
		return a.deleteData(ctx, x)
	default:
		return hit, unknownFault(f)
	}
	return hit, nil
}

func (a *networkArena) end(_ context.Context, _ *experiment, f *fault) (time.Time, error) {
	ended := time.Now()
	switch f.kind.name {
	case "refuse", "flaky":
		a.turn(func(w *network.Weather) { w.CutAfter = 0 })
	case "black-hole":
		a.turn(func(w *network.Weather) { w.Silent = 0 })
	case "latency":
		a.turn(func(w *network.Weather) { w.Delay = 0 })
	case "throttle":
		a.turn(func(w *network.Weather) { w.Rate = 0 })
	case "slice":
		a.turn(func(w *network.Weather) { w.Slice = 0 })
	default:
		return ended, unknownFault(f)
	}
	return ended, nil
}

// turn changes the weather.
func (a *networkArena) turn(change func(*network.Weather)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change(&a.weather)
	for _, p := range a.proxies {
		p.Set(a.weather)
	}
}

func (a *networkArena) reset() {
	for _, p := range a.proxies {
		p.Reset()
	}
}

// deleteData asks the broker on a connection that goes round the network.
func (a *networkArena) deleteData(ctx context.Context, x *experiment) (time.Time, error) {
	port, err := rabbitmq.New(a.side)
	if err != nil {
		return time.Now(), err
	}
	defer port.Close()
	return deleteData(ctx, port, x)
}
