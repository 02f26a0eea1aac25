package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"github.com/d2e2d648/weir/test/chaos"
	"github.com/d2e2d648/weir/test/rabbit"
)

// How fast clients are back: after their connections were reset, and after the broker was started again. What counts is the time from the reset, or from when the broker's port answers again, until
// the first record is delivered that was attempted after that, by a writer that attempts one every two milliseconds.

const (
	resetsAtOnce = 10 // in a round
	// A reset strikes connections that have been there for longer than any client takes for a sign of trouble.
	calmBefore = 1200 * time.Millisecond
	// openWithin is how long a client may take to open, and to deliver its first record.
	openWithin = 40 * time.Second
)

// contestant is one way to come back.
type contestant struct {
	Name string
	open func(ctx context.Context, at *site, seen func([]byte)) (survivor, error)
	// slow ones wait by the clock: several work side by side, so that their resets take no longer than one.
	slow bool
	// once is for one of which it is only to be seen whether it comes back at all.
	once bool
}

const (
	loopRaw      = "amqp091-go, a loop by hand"
	recoveryRaw  = "amqp091-go, its own recovery"
	aloneRaw     = "amqp091-go alone"
	loopStream   = "stream client, a loop by hand"
	reliable     = "stream client, package ha"
	recoveryWeir = clientWeir
)

// contestants of a kind; the first is the floor.
func contestants(kind string) []contestant {
	if kind == streams {
		return []contestant{{Name: loopStream, open: surviveStream}, {Name: recoveryWeir, open: surviveWeir}, {Name: reliable, open: surviveHA, slow: true}}
	}
	return []contestant{{Name: loopRaw, open: surviveRaw}, {Name: recoveryWeir, open: surviveWeir}, {Name: clientWatermill, open: surviveWatermill},
		{Name: recoveryRaw, open: surviveRecovering, slow: true}, {Name: aloneRaw, open: surviveOnce, slow: true, once: true}}
}

var recoveryKinds = []string{classic, quorum, streams}

// Faults of the comparison.
const (
	faultReset = "reset"
	faultKill  = "kill -9"
	faultStop  = "stopped in order"
)

// trial is one recovery.
type trial struct {
	Kind, Client, Fault string
	Round               int
	Took                time.Duration
	Back                bool
}

// recovery is one run.
type recovery struct {
	options
	node    *rabbit.Node
	network network
	began   time.Time
	queues  int

	mu     sync.Mutex
	Trials []trial
	Failed []string
	Storms []stormResult
}

// network is what lies between clients and node.
type network struct{ amqp, stream *chaos.Proxy }

func newNetwork(node *rabbit.Node) (n network, err error) {
	if n.amqp, err = chaos.NewProxy(node.Address()); err != nil {
		return n, err
	}
	if n.stream, err = chaos.NewProxy(node.StreamAddress()); err != nil {
		n.amqp.Close()
	}
	return n, err
}

func (n network) reset() {
	n.amqp.Reset()
	n.stream.Reset()
}

func (n network) close() {
	n.amqp.Close()
	n.stream.Close()
}

func (n network) dialled() int { return n.amqp.Dialed() + n.stream.Dialed() }

func runRecovery(ctx context.Context, o options) error {
	node, err := startNode(ctx, o)
	if err != nil {
		return err
	}
	v := &recovery{options: o, node: node, began: time.Now()}
	if v.network, err = newNetwork(node); err == nil {
		err = v.all(ctx)
		v.network.close()
	}
	if err = errors.Join(err, node.Close()); err != nil {
		return err
	}
	return v.report(o)
}

func (v *recovery) all(ctx context.Context) error {
	for round := range v.rounds {
		for _, kind := range recoveryKinds {
			if err := v.resetRound(ctx, kind, round); err != nil {
				return err
			}
		}
		if err := v.slowRound(ctx, round); err != nil {
			return err
		}
	}
	for round := range v.rounds {
		for i, kind := range recoveryKinds {
			fault := []string{faultKill, faultStop}
			for at := range fault {
				if err := v.restart(ctx, kind, fault[(at+i+round)%2], round); err != nil {
					return err
				}
			}
		}
	}
	return v.storms(ctx)
}

func (v *recovery) say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%6s  %s\n", time.Since(v.began).Round(time.Second), fmt.Sprintf(format, args...))
}

func (v *recovery) wanted(kind string, c *contestant) bool {
	return v.only.MatchString(kind + ", " + c.Name)
}

// resetRound has each of the quick ones reset some times. The first to begin is another in every round.
func (v *recovery) resetRound(ctx context.Context, kind string, round int) error {
	all := contestants(kind)
	for i := range all {
		c := &all[(i+round)%len(all)]
		if c.slow || !v.wanted(kind, c) {
			continue
		}
		v.say("round %d of %d: %s is reset on %s", round+1, v.rounds, c.Name, kind)
		if err := v.resets(ctx, kind, c, round); err != nil {
			return err
		}
	}
	return nil
}

func (v *recovery) resets(ctx context.Context, kind string, c *contestant, round int) error {
	r, at, err := v.mount(ctx, v.behind(kind), c)
	if err != nil {
		return v.failed(ctx, kind, c.Name, err)
	}
	for range v.resetsAtOnce() {
		pause(ctx, calmBefore)
		v.network.reset()
		took, back, err := r.back(ctx, r.from())
		if err != nil {
			return errors.Join(err, v.dismount(ctx, r, at))
		}
		v.note(trial{kind, c.Name, faultReset, round, took, back})
		if !back {
			break
		}
	}
	return v.dismount(ctx, r, at)
}

func (v *recovery) resetsAtOnce() int {
	if v.quick {
		return 2
	}
	return resetsAtOnce
}

// slowRound has several of each of the slow ones reset at a time, once.
func (v *recovery) slowRound(ctx context.Context, round int) error {
	var riders []*rider
	for _, kind := range recoveryKinds {
		for _, c := range contestants(kind) {
			if !c.slow || c.once && round > 0 || !v.wanted(kind, &c) {
				continue
			}
			n := v.resetsAtOnce()
			if c.once {
				n = 1
			}
			for range n {
				riders = append(riders, &rider{kind: kind, contestant: c})
			}
		}
	}
	if len(riders) == 0 {
		return nil
	}
	v.say("round %d of %d: %d that wait by the clock are reset together", round+1, v.rounds, len(riders))
	riders = v.mountAll(ctx, riders, v.behind)
	pause(ctx, calmBefore)
	v.network.reset()
	v.awaitAll(ctx, riders, faultReset, round)
	v.dismountAll(ctx, riders)
	return ctx.Err()
}

// rider is one contestant at work.
type rider struct {
	contestant
	kind string
	at   *site
	ride *ride
	from time.Duration
}

func (v *recovery) mountAll(ctx context.Context, riders []*rider, at func(kind string) *site) (up []*rider) {
	for _, r := range riders {
		var err error
		if r.ride, r.at, err = v.mount(ctx, at(r.kind), &r.contestant); err != nil {
			_ = v.failed(ctx, r.kind, r.Name, err) // the caller looks at the context
			continue
		}
		up = append(up, r)
	}
	return up
}

// awaitAll notes how long each takes from now on.
func (v *recovery) awaitAll(ctx context.Context, riders []*rider, fault string, round int) {
	for _, r := range riders {
		r.from = r.ride.from()
	}
	var all sync.WaitGroup
	for _, r := range riders {
		all.Go(func() {
			if took, back, err := r.ride.back(ctx, r.from); err == nil {
				v.note(trial{r.kind, r.Name, fault, round, took, back})
			}
		})
	}
	all.Wait()
}

func (v *recovery) dismountAll(ctx context.Context, riders []*rider) {
	var all sync.WaitGroup
	for _, r := range riders {
		all.Go(func() { _ = v.dismount(ctx, r.ride, r.at) }) // the caller looks at the context
	}
	all.Wait()
}

// restart has the broker ended and started again under all contestants of a kind.
func (v *recovery) restart(ctx context.Context, kind, fault string, round int) error {
	var riders []*rider
	for _, c := range contestants(kind) {
		if !c.once && v.wanted(kind, &c) {
			riders = append(riders, &rider{kind: kind, contestant: c})
		}
	}
	if len(riders) == 0 {
		return nil
	}
	v.say("round %d of %d: the broker is %s on %s", round+1, v.rounds, fault, kind)
	riders = v.mountAll(ctx, riders, v.before)
	pause(ctx, calmBefore)
	if err := v.down(ctx, fault); err != nil {
		return err
	}
	starting := make(chan error, 1)
	go func() { starting <- v.node.Restart(ctx) }()
	v.answers(ctx, kind)
	v.awaitAll(ctx, riders, fault, round)
	if err := <-starting; err != nil {
		return err
	}
	v.dismountAll(ctx, riders)
	return ctx.Err()
}

func (v *recovery) down(ctx context.Context, fault string) error {
	if fault == faultKill {
		v.node.Kill()
		return nil
	}
	return v.node.Stop(ctx)
}

// answers waits until the broker takes connections at the port of the kind's protocol.
func (v *recovery) answers(ctx context.Context, kind string) {
	address := v.node.Address()
	if kind == streams {
		address = v.node.StreamAddress()
	}
	for ctx.Err() == nil {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		if err == nil {
			_ = conn.Close()
			return
		}
		pause(ctx, time.Millisecond)
	}
}

// behind is a site whose connections can be reset, before one beside the network.
func (v *recovery) behind(kind string) *site {
	s := v.before(kind)
	s.url, s.stream = "amqp://guest:guest@"+v.network.amqp.Address()+"/", v.network.stream.Address()
	return s
}

func (v *recovery) before(kind string) *site {
	v.queues++
	return &site{node: v.node, kind: kind, queue: fmt.Sprintf("recovery-%d", v.queues), url: v.node.URL(), stream: v.node.StreamAddress()}
}

// mount opens a contestant and has it deliver its first record.
func (v *recovery) mount(ctx context.Context, at *site, c *contestant) (*ride, *site, error) {
	opening, cancel := context.WithTimeout(ctx, openWithin)
	defer cancel()
	r := newRide(c.Name)
	var s survivor
	err := within(opening, func() (err error) {
		s, err = c.open(context.WithoutCancel(opening), at, r.seen)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	r.start(context.WithoutCancel(ctx), s)
	if _, back, err := r.back(opening, r.from()); err != nil || !back {
		return nil, nil, errors.Join(fmt.Errorf("no record arrived within %v: %w", openWithin, err), v.dismount(ctx, r, at))
	}
	return r, at, nil
}

func (v *recovery) dismount(ctx context.Context, r *ride, at *site) error {
	if err := r.end(ctx); err != nil {
		v.say("%v", err) // changes nothing of what was measured
	}
	if err := at.clear(); err != nil {
		v.say("%v", err)
	}
	return ctx.Err()
}

func (v *recovery) note(t trial) {
	v.mu.Lock()
	v.Trials = append(v.Trials, t)
	v.mu.Unlock()
	if t.Client == recoveryWeir && t.Took > 250*time.Millisecond || !t.Back {
		v.say("%s on %s, %s: %v, back: %v", t.Client, t.Kind, t.Fault, t.Took.Round(time.Millisecond), t.Back)
	}
}

func (v *recovery) failed(ctx context.Context, kind, client string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	text := fmt.Sprintf("%s on %s: %v", client, kind, err)
	v.say("FAILED: %s", text)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.Failed = append(v.Failed, text)
	return nil
}
