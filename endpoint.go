package weir

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/rs/zerolog"

	"github.com/d2e2d648/weir/messages"
	"github.com/d2e2d648/weir/supervisor"
)

// endpoint is what writers and readers have in common: a supervisor, and waiting for its answers. This is the only room above the port where a goroutine waits. Each reply
// goes to a channel of capacity 1, so that the supervisor never waits for a caller that has left; whoever waits also waits for the supervisor's end.
type endpoint struct {
	rt      *Runtime
	pid     *actor.PID
	channel string
	name    string
	compat  bool
	log     zerolog.Logger
	life    context.Context       // ends when the supervisor has stopped: what is sent to it now is never answered
	failed  atomic.Pointer[error] // why the channel has failed
	waits   atomic.Pointer[error] // the last reason why it was not open yet
}

type propsFunc func(supervisor.Config) (*actor.Props, error)

// open spawns the supervisor and waits until the channel is open. When the context ends first, nothing of it remains.
func (rt *Runtime) openEndpoint(ctx context.Context, props propsFunc, s *settings) (*endpoint, error) {
	e, err := rt.spawn(props, s)
	if err != nil {
		return nil, err
	}
	opened, err := ask(ctx, e, func(done func(*messages.Opened)) any { return &messages.Open{Done: done} })
	if err == nil {
		err = opened.Err
	} else if ctx.Err() != nil {
		err = openError(e.channel, "open", err, load(&e.waits))
	}
	if err == nil {
		return e, nil
	}
	rt.system.Root.Stop(e.pid)
	<-e.life.Done()
	return nil, err
}

func load(p *atomic.Pointer[error]) error {
	if err := p.Load(); err != nil {
		return *err
	}
	return nil
}

func (rt *Runtime) spawn(makeProps propsFunc, s *settings) (*endpoint, error) {
	config := s.Config
	dataPort, err := rt.dataPort(s)
	if err != nil {
		return nil, fmt.Errorf("open channel %s: %w", config.Channel, err)
	}
	e := &endpoint{rt: rt, channel: config.Channel, name: config.Name, compat: config.Compat, log: rt.logOf(s)}
	var end context.CancelFunc
	e.life, end = context.WithCancel(context.Background())
	config.Port, config.DataPort, config.Env, config.LostAfter = rt.port, dataPort, rt.env, rt.lostAfter
	config.Events = e.event
	if s.hook != nil {
		hook := &healthHook{hook: s.hook, failed: e.hookFailed}
		config.Health = hook.ask
	}
	config.Stopped = func() {
		rt.forget(e)
		end()
	}
	props, err := makeProps(config)
	if err != nil {
		end()
		return nil, err
	}
	rt.mu.Lock()
	defer rt.mu.Unlock()
	if rt.closed {
		end()
		return nil, fmt.Errorf("open channel %s: the runtime is closed: %w", config.Channel, ErrClosed)
	}
	if e.pid, err = rt.system.Root.SpawnNamed(props, rt.spawnName(config.Channel, config.Name)); err != nil {
		end()
		return nil, fmt.Errorf("open channel %s: %w", config.Channel, err)
	}
	rt.open[e] = struct{}{}
	return e, nil
}

func (rt *Runtime) forget(e *endpoint) {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	delete(rt.open, e)
}

func (e *endpoint) event(event Event) {
	switch event := event.(type) {
	case *messages.ChannelFailed:
		e.failed.Store(&event.Err)
	case *messages.ChildFailed:
		e.waits.Store(&event.Err)
	case *messages.WaitsFor:
		e.waits.Store(&event.Reason)
	}
	e.publish(event)
}

func (e *endpoint) hookFailed(err error, stack []byte) {
	e.publish(&HookFailed{Head: messages.Head{At: e.rt.env.Clock.Now(), Channel: e.channel, Name: e.name}, Err: err, Stack: stack})
}

// Err says why the channel has failed; nil while it has not.
func (e *endpoint) Err() error { return load(&e.failed) }

// ended is what a call gets that comes after the end.
func (e *endpoint) ended() error {
	if err := e.Err(); err != nil {
		return err
	}
	return ErrClosed
}

// Done is closed when the channel's supervisor has ended, by Close or by a failure of its own.
func (e *endpoint) Done() <-chan struct{} { return e.life.Done() }

// Subscribe gives the events of this endpoint from now on.
func (e *endpoint) Subscribe() *Subscription {
	return e.rt.hub.subscribe(func(event Event) bool {
		head := event.Of()
		return head.Channel == e.channel && head.Name == e.name
	})
}

// Inspect says what the channel is like now: its state, its parts, its peers.
func (e *endpoint) Inspect(ctx context.Context) (*messages.Snapshot, error) {
	return ask(ctx, e, func(done func(*messages.Snapshot)) any { return &messages.Inspect{Done: done} })
}

// Peers gives what is known of the others now, a value that can be kept: its methods answer all the questions that one may have about them.
func (e *endpoint) Peers(ctx context.Context) (Peers, error) {
	s, err := e.Inspect(ctx)
	if err != nil {
		return Peers{}, err
	}
	return s.Peers, nil
}

// CanClose says whether the endpoint may close without taking something away from others, by the rules of pypz (see Peers.CanClose). Close does not ask.
func (e *endpoint) CanClose(ctx context.Context) (bool, error) {
	peers, err := e.Peers(ctx)
	return peers.CanClose(), err
}

// Start makes an endpoint that was opened with StandBy, or was stopped, run: peers are told Started. On one that runs it does nothing.
func (e *endpoint) Start(ctx context.Context) error {
	return e.request(ctx, func(done func(*messages.Opened)) any { return &messages.Start{Done: done} })
}

// Stop makes the endpoint stand by, until Start: Write and Read give ErrNotStarted, and peers are told Stopped, which they take to mean that no more comes. So a writer first waits until everything
// is confirmed. What a reader has handed over can still be committed. On one that stands by it does nothing.
func (e *endpoint) Stop(ctx context.Context) error {
	return e.request(ctx, func(done func(*messages.Opened)) any { return &messages.Stop{Done: done} })
}

// Announce tells the peers again that the endpoint is open, and started where it is, as a second open does in pypz.
func (e *endpoint) Announce(ctx context.Context) error {
	return e.request(ctx, func(done func(*messages.Opened)) any { return &messages.Open{Done: done} })
}

func (e *endpoint) request(ctx context.Context, request func(done func(*messages.Opened)) any) error {
	answer, err := ask(ctx, e, request)
	if err != nil {
		return err
	}
	return answer.Err
}

// awaitPeers waits until so many peers of the other side are what is asked for.
func (e *endpoint) awaitPeers(ctx context.Context, are messages.PeersAre, count int) error {
	var reason atomic.Pointer[error]
	err := e.request(ctx, func(done func(*messages.Opened)) any {
		return &messages.AwaitPeers{Count: count, Are: are, Done: done, NotYet: func(why error) { reason.Store(&why) },
			Expired: func() bool { return ctx.Err() != nil }}
	})
	if err != nil && ctx.Err() != nil {
		return openError(e.channel, "wait for peers of", err, load(&reason))
	}
	return err
}

// close ends the channel in order within the context's deadline, or within 10 s. It does not rely on the supervisor for that: one that hangs does not answer.
func (e *endpoint) close(ctx context.Context, m *messages.Close) error {
	m.Timeout = supervisor.DefaultCloseTimeout
	if deadline, ok := ctx.Deadline(); ok {
		left := time.Until(deadline)
		m.Timeout = max(left-min(max(left/10, leastMargin), mostMargin), time.Millisecond)
	}
	ctx, cancel := context.WithTimeout(ctx, m.Timeout+endMargin)
	defer cancel()
	closed, err := ask(ctx, e, func(done func(*messages.Closed)) any {
		m.Done = done
		return m
	})
	switch {
	case err == nil:
		select {
		case <-e.life.Done():
		case <-ctx.Done(): // a hung part is given up two seconds later
		}
		return closed.Err
	case e.life.Err() != nil:
		if m.Delete {
			return &CloseError{Channel: e.channel, Name: e.name, NotDeleted: errClosedBefore}
		}
		return e.Err()
	}
	e.rt.system.Root.Stop(e.pid) // the context ended early, or the supervisor does not answer: cut everything off
	return &CloseError{Channel: e.channel, Name: e.name, Cause: fmt.Errorf("%w: %w", errCutOff, err)}
}

var errClosedBefore = errors.New("the reader was closed before")

var errCutOff = errors.New("cut off before its supervisor had answered, so what is left is not known")

const (
	// A tenth of a context's time is left for the answer to a Close to come in, which a busy machine keeps waiting, within these bounds.
	leastMargin, mostMargin = 50 * time.Millisecond, 250 * time.Millisecond
	// endMargin is what a supervisor has behind the time of a Close to end: a part that hangs is given up after two seconds.
	endMargin = 3 * time.Second
)

// ask sends a request and waits for its answer, the context's end or the supervisor's.
func ask[T any](ctx context.Context, e *endpoint, request func(done func(*T)) any) (*T, error) {
	reply := make(chan *T, 1)
	e.rt.system.Root.Send(e.pid, request(func(answer *T) { reply <- answer }))
	select {
	case answer := <-reply:
		return answer, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-e.life.Done():
		select {
		case answer := <-reply:
			return answer, nil
		default:
			return nil, e.ended()
		}
	}
}
