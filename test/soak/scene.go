package soak

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/d2e2d648/weir"
	"github.com/d2e2d648/weir/messages"
)

const (
	channels   = 4
	perWrite   = 5
	writeEvery = 10 * time.Millisecond // of each channel, but for full load
	window     = 1000
	mostAhead  = 10 * window // records that are not delivered: what waits in a queue in this process would be taken for something that grows
	// closeLimit bounds the end, healLimit what must be as before once nothing is in the way.
	closeLimit, healLimit = 30 * time.Second, 90 * time.Second
	graceWindow           = 10 * time.Minute
)

// scene is some channels at work on one broker.
type scene struct {
	broker  Broker
	rt      *weir.Runtime
	striker *striker
	events  *weir.Subscription
	all     []*channel
	full    atomic.Bool // write as much as goes in
	paused  atomic.Bool
	stop    context.CancelFunc
	tasks   sync.WaitGroup
	trouble chan error // what ended a task, the first one
}

// channel is a writer and a reader.
type channel struct {
	*ledger
	n  int
	w  *weir.Writer[[]byte]
	r  *weir.Reader[[]byte]
	in chan sent
}

type sent struct {
	first   uint64
	n       int
	receipt *weir.Receipt
}

func (c *channel) writer() string { return fmt.Sprintf("writer-%d", c.n) }
func (c *channel) reader() string { return fmt.Sprintf("reader-%d", c.n) }

// open opens the channels and has them work.
func open(ctx context.Context, b Broker) (*scene, error) {
	s := &scene{broker: b, striker: newStriker(), trouble: make(chan error, 1)}
	var err error
	if s.rt, err = b.Open(ctx, weir.WithSpawnOptions(actor.WithReceiverMiddleware(s.striker.middleware))); err != nil {
		return nil, err
	}
	s.events = s.rt.Subscribe()
	s.tasks.Go(func() { s.striker.follow(s.events) })
	life, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = stop
	for n := range channels {
		c := &channel{ledger: newLedger(), n: n, in: make(chan sent, 2*window)}
		name := fmt.Sprintf("soak-%d", n)
		if c.r, err = weir.OpenReader(ctx, s.rt, name, weir.Raw(), weir.Name(c.reader()), weir.GraceWindow(graceWindow)); err == nil {
			c.w, err = weir.OpenWriter(ctx, s.rt, name, weir.Raw(), weir.Name(c.writer()), weir.GraceWindow(graceWindow), weir.Window(window, 16<<20))
		}
		if err != nil {
			return nil, errors.Join(err, s.close())
		}
		s.all = append(s.all, c)
		s.tasks.Go(func() { s.failed(life, c.write(life, s)) })
		s.tasks.Go(func() { s.failed(life, c.settle(life)) })
		s.tasks.Go(func() { s.failed(life, c.read(life)) })
	}
	return s, nil
}

func (s *scene) failed(life context.Context, err error) {
	if err == nil || life.Err() != nil {
		return
	}
	select {
	case s.trouble <- err:
	default:
	}
}

func (c *channel) write(ctx context.Context, s *scene) error {
	beat := time.NewTicker(writeEvery)
	defer beat.Stop()
	for ctx.Err() == nil {
		if !s.full.Load() || s.paused.Load() || c.ahead() > mostAhead {
			select {
			case <-beat.C:
			case <-ctx.Done():
				return nil
			}
		}
		if s.paused.Load() || c.ahead() > mostAhead {
			continue
		}
		first, bodies := c.attempt(perWrite)
		receipt, err := c.w.Send(ctx, bodies...)
		if err != nil {
			return fmt.Errorf("%s: %w", c.writer(), err)
		}
		select {
		case c.in <- sent{first, perWrite, receipt}:
		case <-ctx.Done():
		}
	}
	return nil
}

func (c *channel) settle(ctx context.Context) error {
	for {
		select {
		case u := <-c.in:
			if err := u.receipt.Wait(ctx); err != nil {
				return fmt.Errorf("%s: %w", c.writer(), err)
			}
			c.confirm(u.first, u.n)
		case <-ctx.Done():
			return nil
		}
	}
}

func (c *channel) read(ctx context.Context) error {
	for {
		batch, err := c.r.Read(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", c.reader(), err)
		}
		c.deliver(batch.Values)
		if err := batch.Commit(ctx); err != nil && !errors.Is(err, weir.ErrRedelivered) {
			return fmt.Errorf("%s: commit: %w", c.reader(), err)
		}
	}
}

// rest has everything come to rest, and measures.
func (s *scene) rest(ctx context.Context) (Footprint, error) {
	ctx, cancel := context.WithTimeout(ctx, healLimit)
	defer cancel()
	s.paused.Store(true)
	defer s.paused.Store(false)
	for _, c := range s.all {
		if err := s.heals(ctx, func(ctx context.Context) error { return c.drained(ctx) }); err != nil {
			return Footprint{}, err
		}
		for _, end := range []inspected{c.w, c.r} {
			if err := s.heals(ctx, func(ctx context.Context) error { return whole(ctx, end) }); err != nil {
				return Footprint{}, err
			}
		}
	}
	if err := s.wait(ctx, s.broker.Rest()); err != nil {
		return Footprint{}, err
	}
	return footprint()
}

// heals waits for something, and for no longer than until a channel has failed.
func (s *scene) heals(ctx context.Context, wait func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	done := make(chan error, 1)
	go func() { done <- wait(ctx) }()
	select {
	case err := <-done:
		return err
	case err := <-s.trouble:
		cancel(err)
		return errors.Join(err, <-done)
	}
}

// wait lets time pass, but not beyond the failure of a channel.
func (s *scene) wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case err := <-s.trouble:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

type inspected interface {
	Inspect(context.Context) (*messages.Snapshot, error)
}

// whole waits until all parts of an endpoint are ready.
func whole(ctx context.Context, end inspected) error {
	for {
		snapshot, err := end.Inspect(ctx)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(snapshot.Children, func(c messages.ChildSnapshot) bool { return !c.Ready && c.Child != messages.Topology }) {
			return nil
		}
		select {
		case <-time.After(10 * time.Millisecond): // a snapshot is asked for
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// restart has parts fail until so many have, or the time is over, and says how many have: those that carry records all the time, the others now and then, so that each proves itself in between.
func (s *scene) restart(ctx context.Context, times int, within time.Duration) (int, error) {
	ctx, over := context.WithTimeoutCause(ctx, within, errOver)
	defer over()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	began := s.striker.count()
	until := began + times
	var strikers sync.WaitGroup
	for _, c := range s.all {
		others := []part{{c.reader(), messages.StatusProducer}, {c.writer(), messages.StatusProducer}, {c.reader(), messages.StatusConsumer}, {c.writer(), messages.StatusConsumer},
			{c.reader(), messages.HealthTicker}, {c.writer(), messages.HealthTicker}, {c.reader(), messages.MetricsAggregator}, {c.writer(), messages.MetricsAggregator}}
		for _, p := range []part{{c.writer(), messages.DataProducer}, {c.reader(), messages.DataConsumer}} {
			strikers.Go(func() {
				for ctx.Err() == nil && s.striker.count() < until {
					s.striker.hit(ctx, p, true)
				}
			})
		}
		strikers.Go(func() {
			for i := 0; ctx.Err() == nil && s.striker.count() < until; i++ {
				s.striker.hit(ctx, others[i%len(others)], false)
				if err := s.wait(ctx, othersEvery); err != nil {
					cancel(err) // without an effect when the context is why
				}
			}
		})
	}
	strikers.Wait()
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, errOver) {
		return 0, cause
	}
	return s.striker.count() - began, nil
}

var errOver = errors.New("the time for restarts is over")

// othersEvery is how often a part that carries no records is struck: each of eight, so that 10 s pass until it is its turn again.
const othersEvery = 1300 * time.Millisecond

// close ends everything in order.
func (s *scene) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeLimit)
	defer cancel()
	s.stop()
	s.events.Close()
	s.tasks.Wait()
	return s.rt.Close(ctx)
}
