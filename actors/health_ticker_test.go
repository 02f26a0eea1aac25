package actors_test

import (
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/d2e2d648/weir/actors"
	"github.com/d2e2d648/weir/messages"
	"github.com/d2e2d648/weir/test/sim"
)

// parent is what an actor under test talks to: it keeps what it is told, and when.
type parent struct {
	world *sim.World
	child *actor.Props
	pid   *actor.PID
	told  []any
	at    []time.Duration
}

// under spawns an actor under a parent in a world.
func under(t *testing.T, build func(actors.Incarnation) actor.Actor) *parent {
	t.Helper()
	p := &parent{world: sim.NewWorld(1)}
	env := p.world.Env()
	root := p.world.System().Root
	props := actor.PropsFromProducer(func() actor.Actor { return p }, env.Options...)
	self, err := root.SpawnNamed(props, "parent")
	if err != nil {
		t.Fatal(err)
	}
	in := actors.Incarnation{Env: env, Parent: self, From: messages.From{Child: "child", Epoch: 1}, Lease: p.world.Broker().Lease("parent/child-1")}
	p.child = env.ChildProps(func() actor.Actor { return build(in) })
	return p
}

// Receive implements actor.Actor.
func (p *parent) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started:
		p.pid, _ = ctx.SpawnNamed(p.child, "child-1")
	case *actor.Stopping, *actor.Stopped, *actor.Terminated:
	default:
		p.told = append(p.told, m)
		p.at = append(p.at, p.world.Now())
	}
}

func (p *parent) ticks() (at []time.Duration) {
	for i, m := range p.told {
		if _, ok := m.(*messages.Tick); ok {
			at = append(at, p.at[i])
		}
	}
	return at
}

// A health check is due at once and then every 2 s; the first pause is drawn, so that channels that open together do not tick in step.
func TestHealthTickerTicksEveryTwoSeconds(t *testing.T) {
	p := under(t, func(in actors.Incarnation) actor.Actor { return actors.NewHealthTicker(in, 2*time.Second) })
	p.world.RunFor(10*time.Minute + time.Second)
	at := p.ticks()
	if at[0] > 100*time.Millisecond || at[1]-at[0] < 900*time.Millisecond || at[1]-at[0] > 3100*time.Millisecond {
		t.Errorf("first at %s, then at %s", at[0], at[1])
	}
	if _, ready := p.told[0].(*messages.Ready); !ready {
		t.Errorf("it begins with %T", p.told[0])
	}
	for i := 2; i < len(at); i++ {
		if d := (at[i] - at[i-1]).Round(50 * time.Millisecond); d != 2*time.Second {
			t.Fatalf("tick %d comes %s after the one before", i, d)
		}
	}
}

// The work's own duration is taken off the pause: ticks that come late do not shift those behind them.
func TestHealthTickerKeepsItsRhythm(t *testing.T) {
	p := under(t, func(in actors.Incarnation) actor.Actor {
		env := *in.Env
		env.Clock = lateClock{in.Env.Clock}
		in.Env = &env
		return actors.NewHealthTicker(in, 2*time.Second)
	})
	p.world.RunFor(10*time.Minute + time.Second)
	if n := len(p.ticks()); n < 300 || n > 302 {
		t.Errorf("%d ticks in ten minutes", n)
	}
}

// lateClock's timers come 300 ms late.
type lateClock struct{ actors.Clock }

func (c lateClock) After(d time.Duration, f func()) actors.Timer {
	return c.Clock.After(d+300*time.Millisecond, f)
}

// What was missed is not made up for: after a long stop there is one tick, and the rhythm stays.
func TestHealthTickerDoesNotMakeUpForWhatItMissed(t *testing.T) {
	p := under(t, func(in actors.Incarnation) actor.Actor {
		clock := &skippingClock{Clock: in.Env.Clock}
		env := *in.Env
		env.Clock = clock
		in.Env = &env
		return actors.NewHealthTicker(in, 2*time.Second)
	})
	p.world.RunFor(time.Minute)
	if n := len(p.ticks()); n > 33 {
		t.Errorf("%d ticks in a minute", n)
	}
}

// skippingClock jumps an hour ahead at its fifth timer, as a machine that slept does.
type skippingClock struct {
	actors.Clock
	timers int
	ahead  time.Duration
}

func (c *skippingClock) Now() time.Time { return c.Clock.Now().Add(c.ahead) }
func (c *skippingClock) After(d time.Duration, f func()) actors.Timer {
	if c.timers++; c.timers == 5 {
		c.ahead = time.Hour
	}
	return c.Clock.After(d, f)
}

func TestStoppedTickerIsSilent(t *testing.T) {
	p := under(t, func(in actors.Incarnation) actor.Actor { return actors.NewHealthTicker(in, 2*time.Second) })
	p.world.RunFor(5 * time.Second)
	p.world.System().Root.Stop(p.pid)
	p.world.RunFor(time.Second)
	before := len(p.told)
	p.world.RunFor(time.Minute)
	if len(p.told) != before {
		t.Errorf("%d messages after its end", len(p.told)-before)
	}
}

// Every actor answers a ping and reports what it does not know, whatever it does.
func TestEveryActorAnswersPingsAndReportsTheUnknown(t *testing.T) {
	type unknown struct{}
	for name, build := range map[string]func(actors.Incarnation) actor.Actor{
		"health ticker":      func(in actors.Incarnation) actor.Actor { return actors.NewHealthTicker(in, time.Second) },
		"metrics aggregator": func(in actors.Incarnation) actor.Actor { return actors.NewMetricsAggregator(in) },
		"data producer":      func(in actors.Incarnation) actor.Actor { return actors.NewDataProducer(in, actors.ProducerConfig{}) },
		"status producer":    func(in actors.Incarnation) actor.Actor { return actors.NewStatusProducer(in, "s", "") },
		"topology": func(in actors.Incarnation) actor.Actor {
			return actors.NewTopologyActor(in, actors.AwaitResources, &actors.Resources{Queue: "q"})
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := under(t, build)
			p.world.RunUntil(func() bool { return p.pid != nil }, time.Second)
			p.world.System().Root.Send(p.pid, &messages.Ping{Epoch: 1, N: 7})
			p.world.System().Root.Send(p.pid, &unknown{})
			answered := func() bool {
				pong, reported := false, false
				for _, m := range p.told {
					switch m := m.(type) {
					case *messages.Pong:
						pong = m.N == 7 && m.Epoch == 1
					case *messages.Unhandled:
						_, reported = m.Message.(*unknown)
					}
				}
				return pong && reported
			}
			if !p.world.RunUntil(answered, time.Second) {
				t.Errorf("told %v", p.told)
			}
		})
	}
}
