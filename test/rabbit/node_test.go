package rabbit_test

import (
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/d2e2d648/weir/test/rabbit"
	"github.com/d2e2d648/weir/test/rabbit/rabbittest"
)

// patience bounds what should take milliseconds.
const patience = 30 * time.Second

// channel opens a connection and a channel that end with the test.
func channel(t *testing.T, node *rabbit.Node) *amqp.Channel {
	t.Helper()
	conn, err := amqp.Dial(node.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	return ch
}

// publish declares a durable classic queue and puts a persistent message into
// it that the broker has confirmed.
func publish(t *testing.T, ch *amqp.Channel, queue, body string) {
	t.Helper()
	if _, err := ch.QueueDeclare(queue, true, false, false, false, nil); err != nil {
		t.Fatal(err)
	}
	if err := ch.Confirm(false); err != nil {
		t.Fatal(err)
	}
	msg := amqp.Publishing{DeliveryMode: amqp.Persistent, Body: []byte(body)}
	confirm, err := ch.PublishWithDeferredConfirmWithContext(t.Context(), "", queue, true, false, msg)
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := confirm.WaitContext(t.Context()); err != nil || !ok {
		t.Fatalf("not confirmed: %v", err)
	}
}

// mustGet takes the next message from the queue.
func mustGet(t *testing.T, ch *amqp.Channel, queue, want string) {
	t.Helper()
	got, ok, err := ch.Get(queue, true)
	if err != nil || !ok || string(got.Body) != want {
		t.Fatalf("got %q, %v, %v, want %q", got.Body, ok, err, want)
	}
}

func TestRoundTrip(t *testing.T) {
	rabbittest.EachVersion(t, func(t *testing.T, node *rabbit.Node) {
		ch := channel(t, node)
		publish(t, ch, t.Name(), "hello")
		mustGet(t, ch, t.Name(), "hello")
	})
}

func TestVersionIsWhatWasAskedFor(t *testing.T) {
	rabbittest.EachVersion(t, func(t *testing.T, node *rabbit.Node) {
		conn, err := amqp.Dial(node.URL())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if got := conn.Properties["version"]; got != node.Version() {
			t.Errorf("the broker is RabbitMQ %v, want %s", got, node.Version())
		}
	})
}

func TestStreamPortAnswers(t *testing.T) {
	rabbittest.EachVersion(t, func(t *testing.T, node *rabbit.Node) {
		conn, err := net.Dial("tcp", node.StreamAddress())
		if err != nil {
			t.Fatal(err)
		}
		conn.Close()
	})
}

func TestConfirmedMessageOutlivesKill(t *testing.T) {
	for _, version := range rabbit.Versions() {
		t.Run(version, func(t *testing.T) {
			node := rabbittest.Fresh(t, rabbit.Options{Version: version})
			publish(t, channel(t, node), "durable", "kept")
			if err := node.Sync(t.Context()); err != nil {
				t.Fatal(err)
			}
			running := procsOf(t, node.Name())
			node.Kill()
			delete(running, epmdOf(t, running))
			running.mustEnd(t, 0)
			if err := node.Restart(t.Context()); err != nil {
				t.Fatal(err)
			}
			mustGet(t, channel(t, node), "durable", "kept")
			if err := node.Stop(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// A frozen node's kernel still accepts connections: a client is connected, and
// hears nothing.
func TestFrozenNodeIsSilent(t *testing.T) {
	rabbittest.EachVersion(t, func(t *testing.T, node *rabbit.Node) {
		if err := node.Freeze(); err != nil {
			t.Fatal(err)
		}
		defer node.Thaw()
		conn, err := net.Dial("tcp", node.Address())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, "AMQP\x00\x00\x09\x01"); err != nil {
			t.Fatal(err)
		}
		answer := make([]byte, 1)
		conn.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
		if _, err := conn.Read(answer); !os.IsTimeout(err) {
			t.Fatalf("a frozen node answered: %v", err)
		}
		if err := node.Thaw(); err != nil {
			t.Fatal(err)
		}
		conn.SetReadDeadline(time.Now().Add(patience))
		if _, err := conn.Read(answer); err != nil {
			t.Fatalf("a thawed node does not answer: %v", err)
		}
	})
}

func TestCtl(t *testing.T) {
	rabbittest.EachVersion(t, func(t *testing.T, node *rabbit.Node) {
		out, err := node.Ctl(t.Context(), "--quiet", "eval", "node().")
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(out, node.Name()) {
			t.Errorf("rabbitmqctl talked to %q, want %s", out, node.Name())
		}
		if _, err := node.Ctl(t.Context(), "no_such_command"); err == nil {
			t.Error("an unknown command gave no error")
		}
	})
}
