package rabbit_test

import (
	"context"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/d2e2d648/weir/test/rabbit"
)

// clusterLimit bounds the start of three nodes on a machine that has other things to do.
const clusterLimit = 3 * time.Minute

// TestCluster: what one node takes, another hands out, also when the first is gone; and a node comes back to the others.
func TestCluster(t *testing.T) {
	for _, version := range rabbit.Versions() {
		t.Run("RabbitMQ-"+version, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), clusterLimit)
			defer cancel()
			c, err := rabbit.StartCluster(ctx, rabbit.Options{Version: version}, 3)
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := c.Close(); err != nil {
					t.Error(err)
				}
			}()
			publishReplicated(t, channel(t, c.Nodes[0]), t.Name(), "hello")
			c.Nodes[0].Kill()
			mustGetSoon(t, c.Nodes[2], t.Name(), "hello")
			if err := c.Nodes[0].Restart(ctx); err != nil {
				t.Fatal(err)
			}
			for _, n := range c.Nodes {
				if out, err := n.Ctl(ctx, "await_online_nodes", "3"); err != nil {
					t.Errorf("%s: %v: %s", n.Name(), err, out)
				}
			}
		})
	}
}

// mustGetSoon takes the next message from a queue that may have no leader yet.
func mustGetSoon(t *testing.T, node *rabbit.Node, queue, want string) {
	t.Helper()
	for late := time.After(patience); ; {
		got, ok, err := channel(t, node).Get(queue, true)
		if ok && string(got.Body) == want {
			return
		}
		select {
		case <-time.After(100 * time.Millisecond): // nobody announces it
		case <-late:
			t.Fatalf("got %q, %v, %v, want %q", got.Body, ok, err, want)
		}
	}
}

// publishReplicated puts a message into a quorum queue, which a majority has then.
func publishReplicated(t *testing.T, ch *amqp.Channel, queue, body string) {
	t.Helper()
	if _, err := ch.QueueDeclare(queue, true, false, false, false, amqp.Table{"x-queue-type": "quorum"}); err != nil {
		t.Fatal(err)
	}
	if err := ch.Confirm(false); err != nil {
		t.Fatal(err)
	}
	confirm, err := ch.PublishWithDeferredConfirmWithContext(t.Context(), "", queue, true, false, amqp.Publishing{DeliveryMode: amqp.Persistent, Body: []byte(body)})
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := confirm.WaitContext(t.Context()); err != nil || !ok {
		t.Fatalf("not confirmed: %v", err)
	}
}
