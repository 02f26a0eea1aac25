package chaos

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// startLimit bounds one start of a node, ctlLimit what a tool does.
const startLimit, ctlLimit = 90 * time.Second, 30 * time.Second

// Struck is a fault that was brought about.
type Struck struct {
	Fault
	Began, Ended time.Duration // as in the log
	Hit          time.Duration // when it struck in between: what a tool does takes it a second
}

// from is when recovery begins to count.
func (s *Struck) from() time.Duration {
	if s.Kind.lasts() {
		return s.Ended
	}
	return s.Hit
}

// strike brings a fault about and ends it. It blocks for as long as the fault lasts.
func (r *run) strike(ctx context.Context, f Fault) Struck {
	s := Struck{Fault: f, Began: r.ledger.Now()}
	r.say("%v", &f)
	hit, err := r.bringAbout(ctx, f)
	s.Hit, s.Ended = max(s.Began, hit), r.ledger.Now()
	if err != nil {
		r.bad("%s could not be brought about: %v", f.Kind, err)
	}
	return s
}

// bringAbout also says when it struck, where that is not at once.
func (r *run) bringAbout(ctx context.Context, f Fault) (hit time.Duration, err error) {
	switch f.Kind {
	case CloseConns:
		return r.evalAt(ctx, closeAll)
	case CloseChannels:
		return r.evalAt(ctx, closeChannels(f.Which, len(r.plan.Faults) == 1))
	case Cancel:
		return r.evalAt(ctx, cancel(r.channel, f.Which))
	case DeleteExchange:
		return r.evalAt(ctx, fmt.Sprintf(deleteExchange, r.channel))
	case Poison:
		return r.poison(ctx)
	case KillOne, FreezeOne:
		return r.without(ctx, f)
	case MoveLeader:
		return r.moveLeader(ctx)
	case Crash:
		return r.evalAt(ctx, fmt.Sprintf(crash, r.channel))
	case Delete:
		deleting, cancel := context.WithTimeout(ctx, ctlLimit)
		defer cancel()
		err := r.node.deleteQueue(deleting, r.channel)
		r.ledger.Deleted()
		return r.ledger.Now(), err
	}
	if f.Kind.ofNetwork() {
		return 0, r.network(ctx, f)
	}
	return 0, r.upset(ctx, f)
}

// upset is for what lasts.
func (r *run) upset(ctx context.Context, f Fault) error {
	n := r.node
	switch f.Kind {
	case Kill:
		n.Kill()
		return r.startAgain(ctx)
	case Restart:
		stopping, cancel := context.WithTimeout(ctx, 30*time.Second)
		defer cancel()
		if err := n.Stop(stopping); err != nil {
			return err
		}
		return r.startAgain(ctx)
	case Freeze:
		if err := n.Freeze(); err != nil {
			return err
		}
		r.last(ctx, f.For)
		return n.Thaw()
	case KillTwo:
		return r.minority(ctx, f)
	case Refuse:
		return r.refuse(ctx, f)
	case Revoke:
		return r.revoke(ctx)
	case TimeOut:
		return r.timeOut(ctx)
	case Stall:
		return r.stall(ctx, f.For)
	case Burst:
		return r.burst(ctx, f.For)
	case Alarm:
		return r.alarm(ctx, f.For)
	}
	return fmt.Errorf("no such fault: %s", f.Kind)
}

// evalAt has the broker evaluate something whose value is the time at which it struck, in microseconds, and gives that time of the run.
func (r *run) evalAt(ctx context.Context, expression string) (time.Duration, error) {
	out, err := r.eval(ctx, expression)
	if err != nil {
		return 0, err
	}
	at, err := strconv.ParseInt(out, 10, 64)
	if err != nil {
		return 0, err
	}
	return time.UnixMicro(at).Sub(r.ledger.Began().Round(0)), nil
}

// eval has the broker evaluate something.
func (r *run) eval(ctx context.Context, expression string) (string, error) {
	asking, cancel := context.WithTimeout(ctx, ctlLimit)
	defer cancel()
	out, err := r.node.Ctl(asking, "eval", expression)
	return strings.TrimSpace(out), err
}

func (r *run) startAgain(ctx context.Context) error {
	starting, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	return r.node.Restart(starting)
}

// alarm: streams know of the disk only.
func (r *run) alarm(ctx context.Context, d time.Duration) error {
	on, off := []string{"set_vm_memory_high_watermark", "0.00001"}, []string{"set_vm_memory_high_watermark", "0.4"}
	if r.plan.Stream {
		on, off = []string{"set_disk_free_limit", "100000GB"}, []string{"set_disk_free_limit", "50MB"}
	}
	if err := r.ctl(ctx, on...); err != nil {
		return err
	}
	r.last(ctx, d)
	return r.ctl(ctx, off...)
}

func (r *run) network(ctx context.Context, f Fault) error {
	proxies := r.node.proxies(f.Ports)
	for _, p := range proxies {
		switch f.Kind {
		case Reset:
			p.Reset()
		case HalfOpen:
			p.Forget(f.Weather.Silent)
		default:
			p.Set(f.Weather)
		}
	}
	if f.Kind.lasts() {
		r.last(ctx, f.For)
		for _, p := range proxies {
			p.Set(Weather{})
		}
	}
	return nil
}

func (r *run) ctl(ctx context.Context, args ...string) error {
	asking, cancel := context.WithTimeout(ctx, ctlLimit)
	defer cancel()
	_, err := r.node.Ctl(asking, args...)
	return err
}

// last is a fault that goes on.
func (r *run) last(ctx context.Context, d time.Duration) { r.until(ctx, r.ledger.Now()+d) }

// until waits for a time of the run.
func (r *run) until(ctx context.Context, at time.Duration) {
	timer := time.NewTimer(at - r.ledger.Now())
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
