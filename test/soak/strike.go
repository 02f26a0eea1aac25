package soak

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/d2e2d648/weir"
	"github.com/d2e2d648/weir/actors"
	"github.com/d2e2d648/weir/messages"
)

// errStruck marks failures that are the striker's.
var errStruck = errors.New("struck by the soak test")

// strike makes the child fail that gets it.
type strike struct{}

// IgnoreDeadLetterLogging: the child may have been replaced.
func (*strike) IgnoreDeadLetterLogging() {}

// striker fails children, which know nothing of it: it is middleware, inside the guard around each of them.
type striker struct {
	mu   sync.Mutex
	live map[part]incarnation
	back map[part]chan struct{} // gets one when the part is ready
	hits int
}

type part struct {
	name  string // the endpoint's
	child messages.Child
}

type incarnation struct {
	system *actor.ActorSystem
	pid    *actor.PID
}

func newStriker() *striker {
	return &striker{live: map[part]incarnation{}, back: map[part]chan struct{}{}}
}

func (s *striker) middleware(next actor.ReceiverFunc) actor.ReceiverFunc {
	return func(ctx actor.ReceiverContext, envelope *actor.MessageEnvelope) {
		switch envelope.Message.(type) {
		case *actor.Started:
			if p, ok := partOf(ctx.Self().Id); ok {
				s.mu.Lock()
				s.live[p] = incarnation{ctx.ActorSystem(), ctx.Self()}
				s.mu.Unlock()
			}
		case *strike:
			s.mu.Lock()
			s.hits++
			s.mu.Unlock()
			panic(&actors.Failure{Err: errStruck})
		}
		next(ctx, envelope)
	}
}

// partOf reads an actor's id, which ends in …/ENDPOINT/N/CHILD-EPOCH. A supervisor's is none.
func partOf(id string) (part, bool) {
	names := strings.Split(id, "/")
	if len(names) < 3 {
		return part{}, false
	}
	name, epoch := names[len(names)-1], strings.LastIndexByte(names[len(names)-1], '-')
	if epoch < 0 {
		return part{}, false
	}
	return part{names[len(names)-3], messages.Child(name[:epoch])}, true
}

// follow takes in what becomes ready, until the subscription is closed.
func (s *striker) follow(events *weir.Subscription) {
	for e := range events.All(context.Background()) {
		if ready, is := e.(*messages.ChildReady); is {
			select {
			case s.ready(part{ready.Name, ready.Child}) <- struct{}{}:
			default:
			}
		}
	}
}

func (s *striker) ready(p part) chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.back[p] == nil {
		s.back[p] = make(chan struct{}, 1)
	}
	return s.back[p]
}

// strikeAgain is when a part is struck again that was not heard to be ready: events are lost when there are many.
const strikeAgain = 3 * time.Second

// hit makes the part fail, and waits until it is ready again when asked to.
func (s *striker) hit(ctx context.Context, p part, wait bool) {
	back := s.ready(p)
	select {
	case <-back: // of before
	default:
	}
	s.mu.Lock()
	at, ok := s.live[p]
	s.mu.Unlock()
	if ok {
		at.system.Root.Send(at.pid, &strike{})
	}
	if !wait {
		return
	}
	select {
	case <-back:
	case <-time.After(strikeAgain):
	case <-ctx.Done():
	}
}

// registryNames is how many names bring protoactor's registry to its full size: it keeps actors in 1,024 times 32 maps, each of which takes its first memory when a name falls into it, and keeps
// that: 10 MiB, of which twenty thousand restarts reach the half. That is no growth of weir's, and has an end.
const registryNames = 300_000

// fillRegistry brings the registry of the actor system to its full size.
func (s *striker) fillRegistry() {
	s.mu.Lock()
	var system *actor.ActorSystem
	for _, one := range s.live {
		system = one.system
	}
	s.mu.Unlock()
	for i := range registryNames {
		if pid, ok := system.ProcessRegistry.Add(nobody{}, "soak-name-"+strconv.Itoa(i)); ok {
			system.ProcessRegistry.Remove(pid)
		}
	}
}

// nobody is a process that does nothing.
type nobody struct{}

func (nobody) SendUserMessage(*actor.PID, any)   {}
func (nobody) SendSystemMessage(*actor.PID, any) {}
func (nobody) Stop(*actor.PID)                   {}

func (s *striker) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hits
}
