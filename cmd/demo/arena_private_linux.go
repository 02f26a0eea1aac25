package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/d2e2d648/weir/broker/rabbitmq"
	"github.com/d2e2d648/weir/broker/rabbitstream"
	"github.com/d2e2d648/weir/test/rabbit"
)

// privateArena is a RabbitMQ node that the experiment has started, behind a network: it may do to it what it likes.
type privateArena struct {
	*networkArena
	node *rabbit.Node
}

// startPrivateArena starts the node.
func startPrivateArena(ctx context.Context, c *console, cmd *experimentCmd) (arena, error) {
	version, _ := cmd.privateVersion()
	if version == "" {
		version = rabbit.V4_0
	}
	if !slices.Contains(rabbit.Versions(), version) {
		return nil, usage("--broker %s: there is no RabbitMQ %s here, only %s", cmd.Broker, version, strings.Join(rabbit.Versions(), " and "))
	}
	c.say("starting a private RabbitMQ %s (some seconds; where it is not there yet, it is fetched first: about 30 s) …", version)
	node, err := rabbit.Start(ctx, rabbit.Options{Version: version, Stream: cmd.onStream()})
	if err != nil {
		return nil, fmt.Errorf("a private broker: %w. Without one, the same flow goes by the embedded broker, --broker embedded, or by your own, --broker amqp://…", err)
	}
	amqp, streams, err := configsOf(node, cmd.onStream())
	if err != nil {
		return nil, errors.Join(err, node.Close())
	}
	behind, err := newNetworkArena(&cmd.brokerFlags, cmd.Timeout, "a private RabbitMQ "+version, amqp, streams)
	if err != nil {
		return nil, errors.Join(err, node.Close())
	}
	return &privateArena{networkArena: behind, node: node}, nil
}

// configsOf say how a node is reached.
func configsOf(node *rabbit.Node, stream bool) (amqp rabbitmq.Config, streams *rabbitstream.Config, err error) {
	if amqp, err = rabbitmq.FromURL(node.URL()); err != nil || !stream {
		return amqp, nil, err
	}
	s, err := rabbitstream.FromURL(node.StreamURL())
	return amqp, &s, err
}

func (a *privateArena) close() error {
	return errors.Join(a.networkArena.close(), a.node.Close())
}

// ready has the broker put on its disk what was declared, so that it survives a kill.
func (a *privateArena) ready(ctx context.Context) error { return a.node.Sync(ctx) }

// stopping bounds an orderly end of the node, asking what one of its tools does.
const stopping, asking = 30 * time.Second, 30 * time.Second

func (a *privateArena) begin(ctx context.Context, x *experiment, f *fault) (hit time.Time, err error) {
	asked, cancel := context.WithTimeout(ctx, asking)
	defer cancel()
	switch f.kind.name {
	case "kill":
		hit = time.Now()
		a.node.Kill()
		return hit, nil
	case "freeze":
		return time.Now(), a.node.Freeze()
	case "restart": // it takes records while it stops
		ending, cancel := context.WithTimeout(ctx, stopping)
		defer cancel()
		err = a.node.Stop(ending)
		return time.Now(), err
	case "alarm":
		return a.node.Alarm(asked, x.cmd.onStream(), true)
	case "close-connections":
		return a.node.CloseConnections(asked)
	case "kill-queue":
		return a.node.KillQueue(asked, x.p.flags.Channel)
	case "revoke":
		return a.node.Revoke(asked, "another")
	}
	return a.networkArena.begin(ctx, x, f)
}

func (a *privateArena) end(ctx context.Context, x *experiment, f *fault) (time.Time, error) {
	switch f.kind.name {
	case "kill", "restart":
		err := a.node.Restart(ctx)
		return time.Now(), err
	case "freeze":
		return time.Now(), a.node.Thaw()
	case "alarm":
		return a.node.Alarm(ctx, x.cmd.onStream(), false)
	}
	return a.networkArena.end(ctx, x, f)
}
