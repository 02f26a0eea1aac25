package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/d2e2d648/weir"
)

const (
	// experimentHeals is how long after the last fault all must be as before. A lost confirm takes a minute by itself.
	experimentHeals = 75 * time.Second
	// afterwards is how long records are written behind the last healing, so that one sees the flow as it is again.
	afterwards = time.Second
	// heartbeat is short, so that silence is noticed while somebody looks.
	heartbeat = 2 * time.Second
	// mending bounds the end of a fault when the experiment is cut off.
	mending = 2 * time.Minute
)

// arena is the broker of an experiment, and how faults befall it.
type arena interface {
	// open connects to it.
	open(context.Context, *console, ...weir.RuntimeOption) (*weir.Runtime, error)
	where() string
	// ready comes when the channel is open: from then on it must survive whatever the arena can do.
	ready(context.Context) error
	// begin has a fault strike, and says when it did: no record that is attempted after that gets through as if nothing had been.
	begin(context.Context, *experiment, *fault) (hit time.Time, err error)
	// end ends one that lasts, and says when it did.
	end(context.Context, *experiment, *fault) (time.Time, error)
	// lane says what a fault befalls: those of one lane come one after the other.
	lane(*faultKind) lane
	close() error
}

// experiment is an arena, a pipeline on it, and what befalls both.
type experiment struct {
	cmd      *experimentCmd
	arena    arena
	scenario scenario
	p        *pipeline
	line     *timeline
	stop     *stopper

	tasks    sync.WaitGroup // the sampler
	samples  []flowSample   // once tasks has ended
	sampled  context.CancelFunc
	striking sync.WaitGroup
	faults   context.Context // ends the faults, and those that are due
	noFaults context.CancelFunc

	mu      sync.Mutex // never held while the ledger or the injector is called
	began   time.Time
	strikes []*strike
	down    map[string]*outage
	settled time.Time // since when all strikes are over and healed, or given up
	last    time.Time // when a fault began or was over last
	// healsWithin is how long after the last fault all must be as before.
	healsWithin time.Duration
	fresh       bool // a fresh record of each writer got through at the end
}

func newExperiment(cmd *experimentCmd, a arena, stop *stopper) *experiment {
	x := &experiment{cmd: cmd, arena: a, stop: stop, down: map[string]*outage{}, healsWithin: experimentHeals}
	x.scenario = draw(cmd.seed(), cmd.Fault, cmd.For, cmd.venue(), cmd.Plane)
	src := &source{most: maxBodyOn(cmd.onStream()), more: x.goesOn}
	x.p = newPipeline(flow{flowFlags: cmd.flowFlags, planeFlags: cmd.planeFlags, where: a.where(), rate: cmd.Rate, healWithin: experimentHeals}, src, stop)
	x.p.injector = newInjector(nil, 0, x.p.ledger.deliveries)
	x.p.with = x
	for i, f := range x.scenario.faults {
		x.strikes = append(x.strikes, &strike{fault: f, n: i + 1})
	}
	return x
}

// title says what will happen, as a command line that says all of it.
func (x *experiment) title() string {
	return fmt.Sprintf("experiment on %s, seed %d:\n  %s", x.arena.where(), x.scenario.seed, strings.Join(x.commandLine(), " "))
}

// commandLine is the experiment with nothing left to the seed.
func (x *experiment) commandLine() []string {
	args := []string{"demo", "experiment"}
	cmd := x.cmd
	for _, f := range []struct {
		name, value string
		said        bool
	}{
		{"broker", cmd.shownBroker(), cmd.venue() != onEmbedded}, {"plane", cmd.Plane, cmd.onStream()}, {"for", cmd.For.String(), true}, {"rate", fmt.Sprintf("%g", cmd.Rate), true},
		{"writers", fmt.Sprint(cmd.Writers), cmd.Writers > 1}, {"readers", fmt.Sprint(cmd.Readers), cmd.Readers > 1}, {"size", fmt.Sprint(cmd.Size), cmd.Size != 100},
		{"prefetch", fmt.Sprint(cmd.Prefetch), cmd.Prefetch > 0}, {"health-interval", cmd.HealthInterval.String(), cmd.HealthInterval != 2*time.Second},
	} {
		if f.said {
			args = append(args, "--"+f.name, f.value)
		}
	}
	if cmd.FanOut {
		args = append(args, "--fan-out")
	}
	if cmd.Ordered {
		args = append(args, "--ordered")
	}
	for _, f := range x.scenario.faults {
		args = append(args, "--fault", f.String())
	}
	return args
}

// shownBroker is --broker without a password.
func (cmd *experimentCmd) shownBroker() string {
	if cmd.venue() == onOwn {
		return "amqp://" + cmd.where()
	}
	return cmd.Broker
}

// now is the time since the first record.
func (x *experiment) now() time.Duration { return time.Since(x.beginning()) }

func (x *experiment) beginning() time.Time {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.began
}

// opened implements attendant.
func (x *experiment) opened() error { return x.arena.ready(x.p.soft) }

// flows implements attendant: it begins to sample, and lets the faults come.
func (x *experiment) flows() {
	x.mu.Lock()
	x.began = x.p.began
	x.mu.Unlock()
	x.line.add(0, entry{What: hapOpen, Text: x.flowText()})
	ctx, cancel := context.WithCancel(context.Background())
	x.sampled = cancel
	x.tasks.Go(func() { x.samples = sampleFlow(ctx, x.p.ledger, x.p.began) })
	x.tasks.Go(func() { x.giveUp(ctx) })
	x.faults, x.noFaults = context.WithCancel(x.p.soft)
	for _, lane := range x.lanes() {
		x.striking.Go(func() {
			for _, s := range lane {
				x.bringAbout(s)
			}
		})
	}
}

func (x *experiment) flowText() string {
	count := func(n int, what string) string {
		if n == 1 {
			return "1 " + what
		}
		return fmt.Sprintf("%d %ss", n, what)
	}
	rate := "as fast as it goes"
	if x.cmd.Rate > 0 {
		rate = number(int(x.cmd.Rate)) + " records/s"
	}
	return fmt.Sprintf("%s and %s flow by %s %s, %s", count(x.cmd.Writers, "writer"), count(x.cmd.Readers, "reader"), x.cmd.Plane, x.p.flags.Channel, rate)
}

// lanes are the faults, those of one lane in their order.
func (x *experiment) lanes() (all [][]*strike) {
	at := map[lane]int{}
	for _, s := range x.strikes {
		l := x.arena.lane(s.kind)
		i, known := at[l]
		if !known || l == ofActors {
			i = len(all)
			at[l] = i
			all = append(all, nil)
		}
		all[i] = append(all[i], s)
	}
	return all
}

// bringAbout waits until a fault is due, has it strike and ends it.
func (x *experiment) bringAbout(s *strike) {
	if !x.until(s.at) {
		x.change(func() { s.skipped = true })
		return
	}
	x.change(func() { s.began = x.now0() })
	x.line.add(x.now(), entry{What: hapBegins, Fault: s.n, Text: s.headline()})
	if s.kind.name == "crash" {
		x.crash(s)
		return
	}
	hit, err := x.arena.begin(x.stop.soft, x, s.fault)
	if err == nil {
		x.struck(s, hit.Sub(x.beginning()))
	}
	ended := hit
	if s.lasts() { // also what has begun by half only
		x.until(x.now() + s.length)
		ctx, cancel := context.WithTimeout(x.stop.hard, mending)
		var failed error
		ended, failed = x.arena.end(ctx, x, s.fault)
		err = errors.Join(err, failed)
		cancel()
	}
	if err != nil {
		x.change(func() { s.broken = err })
		x.line.add(x.now(), entry{What: hapBroken, Fault: s.n, Text: fmt.Sprintf("%s could not be brought about: %v", s.kind.name, err)})
		return
	}
	x.over(s, ended.Sub(x.beginning()))
}

// over notes the end of a fault. Of one that lasts it counts how long after it the first new record gets through.
func (x *experiment) over(s *strike, at time.Duration) {
	x.change(func() { s.ended = at })
	if !s.lasts() {
		return
	}
	x.line.add(at, entry{What: hapEnds, Fault: s.n, Text: s.kind.name + " is over"})
	x.await(at, func(through time.Duration) {
		x.mu.Lock()
		s.after = through
		x.mu.Unlock()
		x.line.add(through, entry{What: hapRecovered, Fault: s.n, Text: fmt.Sprintf("a new record got through %s after the fault's end", short(through-at))})
	})
}

// headline is the fault in a timeline.
func (s *strike) headline() string {
	text := s.kind.name
	if args := s.arguments(); args != "" {
		text += " " + args
	}
	does, _, _ := strings.Cut(s.kind.does, ". ")
	return text + ": " + strings.TrimSuffix(does, ".")
}

// now0 is now with the lock held.
func (x *experiment) now0() time.Duration { return time.Since(x.began) }

// change notes how far a strike is.
func (x *experiment) change(how func()) {
	x.mu.Lock()
	defer x.mu.Unlock()
	how()
	x.last = time.Now()
}

// crash strikes at the actor's next message.
func (x *experiment) crash(s *strike) {
	x.p.injector.arm(s.crash.Actor, s.crash.Kind, func() {
		at := x.now()
		x.change(func() { s.ended = at })
		x.struck(s, at)
	})
}

// struck waits for the first record from now on.
func (x *experiment) struck(s *strike, at time.Duration) {
	x.mu.Lock()
	s.hit = at
	x.mu.Unlock()
	x.await(at, func(through time.Duration) {
		x.mu.Lock()
		s.through = through
		x.mu.Unlock()
		x.line.add(through, entry{What: hapRecovered, Fault: s.n, Text: fmt.Sprintf("a new record got through %s after the strike", short(through-at))})
	})
}

// await calls back when a record that was attempted from that time on has got through. The ledger is locked then.
func (x *experiment) await(from time.Duration, back func(through time.Duration)) {
	offset := x.p.began.Sub(x.p.start) // the ledger's times count from the run's start
	x.p.ledger.mark(from+offset, func(at time.Duration) { back(at - offset) })
}

// until waits for a time; false when the experiment is being ended.
func (x *experiment) until(at time.Duration) bool {
	timer := time.NewTimer(at - x.now())
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-x.faults.Done():
		return false
	}
}

// goesOn says whether there is a reason to write more.
func (x *experiment) goesOn() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	over, healed := x.standing()
	if over && healed && x.settled.IsZero() {
		x.settled = time.Now()
	}
	return !over || !healed || time.Since(x.settled) < afterwards || x.now0() < x.scenario.length
}

// standing says whether all faults are over, and whether what struck has healed.
func (x *experiment) standing() (over, healed bool) {
	over, healed = true, true
	for _, s := range x.strikes {
		over = over && s.over()
		healed = healed && (s.healed() || s.broken != nil)
	}
	return over, healed
}

// giveUp ends a pipeline that does not heal, until the context ends: what cannot be sent would be waited for for ever.
func (x *experiment) giveUp(ctx context.Context) {
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		select {
		case <-look.C:
		case <-ctx.Done():
			return
		}
		x.mu.Lock()
		over, healed := x.standing()
		late := over && !healed && time.Since(x.last) > x.healsWithin
		x.mu.Unlock()
		if late {
			x.p.notes.add(true, "not all had healed %v after the last fault", x.healsWithin)
			x.p.abort()
			x.p.cut()
			return
		}
	}
}

// through implements attendant: a fresh record of each writer must get through.
func (x *experiment) through() {
	defer x.sampled()
	x.noFaults() // there is none any more, unless the writers have ended before
	x.striking.Wait()
	if x.p.tree.failed() != nil || x.p.hard.Err() != nil {
		return
	}
	ctx, cancel := context.WithTimeout(x.p.hard, experimentHeals)
	defer cancel()
	began := x.now()
	for i := range x.p.writers {
		if err := x.p.proveWriter(ctx, i); err != nil {
			x.line.add(x.now(), entry{What: hapBroken, Who: fmt.Sprintf("writer-%d", i+1), Text: "a fresh record did not get through: " + firstLine(err), Error: sortOf(err)})
			x.p.notes.add(true, "a fresh record of writer-%d did not get through at the end: %s", i+1, firstLine(err))
			return
		}
	}
	x.mu.Lock()
	x.fresh = true
	x.mu.Unlock()
	x.line.add(x.now(), entry{What: hapHealed, Text: fmt.Sprintf("a fresh record of each writer got through in %s", short(x.now()-began))})
}

// proveWriter writes one more record, and waits until it is with all who must have it.
func (p *pipeline) proveWriter(ctx context.Context, writer int) error {
	first := p.ledger.attempt(writer, 1)
	if err := p.writers[writer].Write(ctx, p.records(writer, first, [][]byte{nil})...); err != nil {
		p.failed(writer, first, 1, err)
		return err
	}
	p.ledger.confirm(writer, first, 1)
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for !p.ledger.everywhere(writer, first) {
		select {
		case <-look.C:
		case <-ctx.Done():
			return fmt.Errorf("it was confirmed, and not delivered: %w", ctx.Err())
		}
	}
	return nil
}
