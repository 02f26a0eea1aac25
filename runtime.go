package weir

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/rs/zerolog"

	"github.com/d2e2d648/weir/actors"
	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/broker/embedded"
	"github.com/d2e2d648/weir/broker/rabbitmq"
	"github.com/d2e2d648/weir/broker/rabbitstream"
	"github.com/d2e2d648/weir/messages"
	"github.com/d2e2d648/weir/supervisor"
)

// Runtime is what the channels of a program share: the broker's connections, an actor system, the workers that run actors, the events. A program needs one for each
// broker. It is safe for concurrent use.
type Runtime struct {
	system    *actor.ActorSystem
	ownSystem bool
	port      broker.Port
	closePort func()
	streams   streamPort
	workers   *actors.Workers
	env       *actors.Env
	hub       *hub
	log       zerolog.Logger
	lostAfter time.Duration // see supervisor.Config
	id        string        // tells it from others in the same actor system
	names     atomic.Uint64

	mu      sync.Mutex
	open    map[*endpoint]struct{}
	closed  bool
	closing sync.Once
	ended   chan struct{} // closed when the connections have ended
}

// RuntimeOption is one setting of a Runtime.
type RuntimeOption func(*runtimeSettings)

type runtimeSettings struct {
	streams *rabbitstream.Config
	system  *actor.ActorSystem
	log     zerolog.Logger
	spawn   []actor.PropsOption
}

// InSystem runs the actors in an actor system of yours, which the Runtime will not shut down. Default: one of its own.
func InSystem(system *actor.ActorSystem) RuntimeOption {
	return func(s *runtimeSettings) { s.system = system }
}

// WithLog logs what happens to channels: failures of a part as warnings, of a channel as errors, the rest as info and debug, each status of a peer as trace. Lines have the fields channel, endpoint and,
// of one part, actor and epoch. They are written by the supervisors: a writer that blocks holds up its channel. An endpoint may have a log or a level of its own: Logger, LogLevel. The actor system's
// own log goes there, too, with the component "protoactor", unless it is yours (InSystem). Default: nothing is logged.
func WithLog(log zerolog.Logger) RuntimeOption {
	return func(s *runtimeSettings) { s.log = log }
}

// WithSpawnOptions adds options that every actor of every channel is spawned with, such as receiver middleware that injects faults: it runs inside the guard.
func WithSpawnOptions(options ...actor.PropsOption) RuntimeOption {
	return func(s *runtimeSettings) { s.spawn = append(s.spawn, options...) }
}

// Open makes a Runtime on RabbitMQ and waits until the broker has answered. The URL is amqp://user:password@host:port/vhost, or amqps for TLS; several hosts may be
// named, separated by commas; with an empty URL the environment's WEIR_URL is used. A broker that cannot be reached is tried again until the context
// ends; refused credentials end it at once. No error contains the password.
func Open(ctx context.Context, url string, opts ...RuntimeOption) (*Runtime, error) {
	config, err := rabbitmq.FromURL(url)
	if err != nil {
		return nil, err
	}
	return OpenConfig(ctx, config, opts...)
}

// OpenConfig is Open with all that can be configured: TLS, credentials from a file or a function, heartbeat.
func OpenConfig(ctx context.Context, config rabbitmq.Config, opts ...RuntimeOption) (*Runtime, error) {
	port, err := rabbitmq.New(config)
	if err != nil {
		return nil, err
	}
	rt := OnPort(port, opts...)
	rt.closePort = port.Close
	rt.streams.make = func() (*rabbitstream.Port, error) { return newStreamPort(config, port, opts) }
	rt.lostAfter = max(supervisor.DefaultLostAfter, 3*config.Heartbeat)
	if err := rt.probe(ctx); err != nil {
		port.Close()
		rt.release()
		return nil, err
	}
	return rt, nil
}

// Embedded makes a Runtime on a broker in this process: for tests, demonstrations and pipelines that need not outlive the program.
func Embedded(opts ...RuntimeOption) *Runtime {
	port := embedded.Start()
	rt := OnPort(port, opts...)
	rt.closePort = port.Stop
	return rt
}

// OnPort makes a Runtime on any implementation of the port. Closing the Runtime does not close the port. A channel on a stream needs one that knows names (see package broker).
func OnPort(port broker.Port, opts ...RuntimeOption) *Runtime {
	s := runtimeSettings{log: zerolog.Nop()}
	for _, opt := range opts {
		opt(&s)
	}
	rt := &Runtime{system: s.system, port: port, closePort: func() {}, workers: &actors.Workers{}, hub: newHub(), log: s.log, id: rand.Text()[:8], open: map[*endpoint]struct{}{}, ended: make(chan struct{})}
	rt.env = actors.RealEnv(rt.workers, s.spawn...)
	if rt.system == nil {
		rt.system, rt.ownSystem = newSystem(&rt.log), true
	}
	return rt
}

// newSystem makes an actor system that logs like everything else. A dead letter's throttle would keep a goroutine for a second.
func newSystem(log *zerolog.Logger) *actor.ActorSystem {
	return actor.NewActorSystem(actor.WithDeadLetterThrottleInterval(1),
		actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return slog.New(newSystemLog(log)) }))
}

// probe asks the broker for an answer until there is one.
func (rt *Runtime) probe(ctx context.Context) error {
	lease := rt.port.Lease("probe")
	defer lease.Abort()
	for {
		answer := make(chan error, 1)
		lease.Do(broker.Probe{}, func(r broker.Result) { answer <- r.Err })
		var last error
		select {
		case last = <-answer:
		case <-ctx.Done():
			return fmt.Errorf("open: %w", ctx.Err())
		}
		switch {
		case last == nil:
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("open: %w: %w", ctx.Err(), last)
		case broker.Permanent(last), !errors.Is(last, broker.ErrUnavailable):
			return fmt.Errorf("open: %w", last)
		}
	}
}

// Port gives the broker's port and Env what the actors run in: for supervisor.ReaderProps and WriterProps, which make the same channels in an actor system of yours.
func (rt *Runtime) Port() broker.Port { return rt.port }

// Env gives what the actors run in, see Port.
func (rt *Runtime) Env() *actors.Env { return rt.env }

// Subscribe gives the events of all endpoints of the Runtime from now on.
func (rt *Runtime) Subscribe() *Subscription { return rt.hub.subscribe(nil) }

// Close closes the endpoints that are still open, each in order, then the connections. The context bounds it; see Writer.Close. On a broker that is silent a goodbye comes back only by its
// own time-out: connections that have not ended by then end by themselves, and the error says so. A second Close does nothing, and waits for the first and for them.
func (rt *Runtime) Close(ctx context.Context) (err error) {
	rt.closing.Do(func() {
		err = rt.closeEndpoints(ctx)
		go rt.closeConnections()
	})
	select {
	case <-rt.ended:
		return err
	case <-ctx.Done():
		return errors.Join(err, fmt.Errorf("close the runtime: its connections have not ended yet: %w", ctx.Err()))
	}
}

func (rt *Runtime) closeEndpoints(ctx context.Context) error {
	rt.mu.Lock()
	rt.closed = true
	left := make([]*endpoint, 0, len(rt.open))
	for e := range rt.open {
		left = append(left, e)
	}
	rt.mu.Unlock()
	errs := make([]error, len(left))
	var wait sync.WaitGroup
	for i, e := range left {
		wait.Go(func() {
			if err := e.close(ctx, &messages.Close{}); !errors.Is(err, ErrClosed) { // somebody else was ending it
				errs[i] = err
			}
		})
	}
	wait.Wait()
	return errors.Join(errs...)
}

func (rt *Runtime) closeConnections() {
	defer close(rt.ended)
	rt.streams.close()
	rt.closePort()
	rt.release()
}

func (rt *Runtime) release() {
	if rt.ownSystem {
		rt.system.Shutdown()
	}
	rt.workers.Close()
}

// spawnName gives a name for a supervisor's actor that no other has.
func (rt *Runtime) spawnName(channel, name string) string {
	return "weir/" + rt.id + "/" + channel + "/" + name + "/" + strconv.FormatUint(rt.names.Add(1), 10)
}
