package supervisor_test

import (
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"go.uber.org/goleak"

	"github.com/d2e2d648/weir/actors"
	"github.com/d2e2d648/weir/broker/embedded"
	"github.com/d2e2d648/weir/messages"
	"github.com/d2e2d648/weir/supervisor"
)

// real is what production runs on: goroutines, the real clock, the broker's own loop.
type real struct {
	*testing.T
	system  *actor.ActorSystem
	workers *actors.Workers
	broker  *embedded.Broker
}

func newReal(t *testing.T) *real {
	leaks := goleak.IgnoreCurrent()
	system := actor.NewActorSystem(actor.WithDeadLetterThrottleInterval(1), actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return slog.New(slog.DiscardHandler) }))
	r := &real{T: t, system: system, workers: &actors.Workers{}, broker: embedded.Start()}
	t.Cleanup(func() {
		r.left()
		r.broker.Stop()
		r.workers.Close()
		goleak.VerifyNone(t, leaks)
	})
	return r
}

// left waits until nothing is open at the broker.
func (r *real) left() {
	r.Helper()
	var c embedded.Counts
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); runtime.Gosched() {
		r.broker.Sync(func() { c = r.broker.Counts() })
		if c.Leases+c.Publishers+c.Consumers == 0 {
			return
		}
	}
	r.Errorf("left at the broker: %+v", c)
}

func (r *real) config(name string, options ...actor.PropsOption) supervisor.Config {
	return supervisor.Config{Channel: "orders", Name: name, Port: r.broker, Env: actors.RealEnv(r.workers, options...), Create: true,
		Events: func(e messages.Event) {
			if u, ok := e.(*messages.UnhandledMessage); ok {
				r.Errorf("%s was sent %T, which it does not know", u.Child, u.Message)
			}
		}}
}

// wait waits for what is to happen soon.
func wait(t *testing.T, what string, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(20 * time.Second):
		buf := make([]byte, 1<<20)
		t.Fatalf("%s does not come\n%s", what, buf[:runtime.Stack(buf, true)])
	}
}

// Whatever a child does at whatever point of its life, its parent stops: on real goroutines.
func TestParentStopsWhateverAChildDoes(t *testing.T) {
	for _, point := range []string{"Started", "a message", "Stopping", "Stopped"} {
		for _, how := range []string{"panic", "goexit", "hang"} {
			t.Run(how+" in "+point, func(t *testing.T) {
				r := newReal(t)
				struck, release, stopped := make(chan struct{}), make(chan struct{}), make(chan struct{})
				defer close(release)
				var once atomic.Bool
				strike := actor.WithReceiverMiddleware(func(next actor.ReceiverFunc) actor.ReceiverFunc {
					return func(ctx actor.ReceiverContext, envelope *actor.MessageEnvelope) {
						if strings.Contains(ctx.Self().Id, "/data-producer-") && isPoint(point, envelope.Message) && once.CompareAndSwap(false, true) {
							close(struck)
							switch how {
							case "panic":
								panic(errInjected)
							case "goexit":
								runtime.Goexit()
							}
							<-release
						}
						next(ctx, envelope)
					}
				})
				config := r.config("writer", strike)
				config.Stopped = func() { close(stopped) }
				props, err := supervisor.WriterProps(config)
				if err != nil {
					t.Fatal(err)
				}
				pid, err := r.system.Root.SpawnNamed(props, "writer")
				if err != nil {
					t.Fatal(err)
				}
				if strings.HasPrefix(point, "Stop") {
					opened := make(chan struct{})
					r.system.Root.Send(pid, &messages.Open{Done: func(*messages.Opened) { close(opened) }})
					wait(t, "the open channel", opened)
				} else {
					wait(t, "the failure", struck)
				}
				r.system.Root.Stop(pid)
				wait(t, "the failure", struck)
				wait(t, "the supervisor's end", stopped)
			})
		}
	}
}

func isPoint(point string, msg any) bool {
	switch msg.(type) {
	case *actor.Started:
		return point == "Started"
	case *actor.Stopping:
		return point == "Stopping"
	case *actor.Stopped:
		return point == "Stopped"
	}
	return point == "a message"
}

// A child that panics or exits its goroutine over and over is replaced, on real goroutines, too: records flow.
func TestChannelGoesOnOverFailuresOnGoroutines(t *testing.T) {
	r := newReal(t)
	var n atomic.Int64
	chaos := actor.WithReceiverMiddleware(func(next actor.ReceiverFunc) actor.ReceiverFunc {
		return func(ctx actor.ReceiverContext, envelope *actor.MessageEnvelope) {
			if strings.Contains(ctx.Self().Id, "/data-") {
				switch n.Add(1) % 40 {
				case 13:
					panic(fmt.Errorf("chaos"))
				case 33:
					runtime.Goexit()
				}
			}
			next(ctx, envelope)
		}
	})
	e := startEmbedder(r, 300, chaos)
	wait(t, "the last record", e.done)
	r.system.Root.Stop(e.pid)
	wait(t, "the end", e.stopped)
}
