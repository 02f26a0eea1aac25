package weir_test

import (
	"context"
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/d2e2d648/weir"
	"github.com/d2e2d648/weir/broker/rabbitstream"
	"github.com/d2e2d648/weir/test/rabbit"
	"github.com/d2e2d648/weir/test/rabbit/rabbittest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(rabbittest.Tests(m)) }

// eachBroker runs a test on the embedded broker and on every version of RabbitMQ, with a channel's name that is this run's alone.
func eachBroker(t *testing.T, f func(ctx context.Context, t *testing.T, rt *weir.Runtime, channel string)) {
	t.Helper()
	run := func(t *testing.T, open func(context.Context) (*weir.Runtime, error)) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		rt := must[*weir.Runtime](t)(open(ctx))
		f(ctx, t, rt, strings.ReplaceAll(t.Name(), "/", ".")+"."+rand.Text()[:6])
		if err := rt.Close(ctx); err != nil {
			t.Errorf("close the runtime: %v", err)
		}
	}
	t.Run("embedded", func(t *testing.T) {
		run(t, func(context.Context) (*weir.Runtime, error) { return weir.Embedded(), nil })
	})
	rabbittest.EachVersion(t, func(t *testing.T, node *rabbit.Node) {
		run(t, func(ctx context.Context) (*weir.Runtime, error) {
			return weir.Open(ctx, node.URL(), weir.StreamsAt(streamsOf(t, node)))
		})
	})
}

func streamsOf(t *testing.T, node *rabbit.Node) rabbitstream.Config {
	t.Helper()
	return must[rabbitstream.Config](t)(rabbitstream.FromURL("rabbitmq-stream://guest:guest@" + node.StreamAddress()))
}

// quick makes an endpoint of that name say a health check often.
func quick(name string, more ...weir.Option) []weir.Option {
	return append([]weir.Option{weir.Name(name), weir.HealthInterval(100 * time.Millisecond)}, more...)
}

func reader(ctx context.Context, t *testing.T, rt *weir.Runtime, channel, name string, opts ...weir.Option) *weir.Reader[string] {
	t.Helper()
	return must[*weir.Reader[string]](t)(weir.OpenReader(ctx, rt, channel, weir.Text(), quick(name, opts...)...))
}

func writer(ctx context.Context, t *testing.T, rt *weir.Runtime, channel, name string, opts ...weir.Option) *weir.Writer[string] {
	t.Helper()
	return must[*weir.Writer[string]](t)(weir.OpenWriter(ctx, rt, channel, weir.Text(), quick(name, opts...)...))
}

// ok is for calls that must not fail.
func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// asker is what has peers.
type asker interface {
	Peers(context.Context) (weir.Peers, error)
	Subscribe() *weir.Subscription
}

// until waits until the peers that an endpoint knows are as they should be.
func until(ctx context.Context, t *testing.T, e asker, what string, are func(weir.Peers) bool) weir.Peers {
	t.Helper()
	events := e.Subscribe()
	defer events.Close()
	for {
		peers := must[weir.Peers](t)(e.Peers(ctx))
		if are(peers) {
			return peers
		}
		if _, err := events.Next(ctx); err != nil {
			t.Fatalf("%s: %v; the peers are %+v", what, err, peers.All)
		}
	}
}
