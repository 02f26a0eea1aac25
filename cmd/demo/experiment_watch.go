package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/d2e2d648/weir"
	"github.com/d2e2d648/weir/actors"
	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/messages"
	"github.com/d2e2d648/weir/supervisor"
)

// outage is a child that has failed and is not back.
type outage struct {
	of       *strike // nil: of none
	since    time.Duration
	attempts int
}

// saw implements attendant: it reads the events for what they say of the faults.
func (x *experiment) saw(event weir.Event) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.began.IsZero() {
		return
	}
	at := event.Of().At.Sub(x.began)
	switch e := event.(type) {
	case *messages.ChildFailed:
		x.childFailed(at, e)
	case *messages.ChildReady:
		x.childReady(at, e)
	case *messages.AlarmChanged:
		text := "the broker's alarm is on: it waits"
		if !e.On {
			text = "the broker's alarm is off"
		}
		x.noticed(at, x.blame(nil), entry{What: hapNotice, Who: whose(e.Head, e.Child), Epoch: e.Epoch, Text: text})
	case *messages.ConfirmsStalled:
		x.noticed(at, x.blame(nil), entry{What: hapNotice, Who: whose(e.Head, e.Child), Epoch: e.Epoch, Text: fmt.Sprintf("the oldest record has waited for its confirm for %s", short(e.At.Sub(e.Since)))})
	case *messages.Abandoned:
		x.add(at, nil, entry{What: hapNotice, Who: e.Name, Text: "the goroutine of " + e.Actor + " never returned and is given up"})
	case *messages.ChannelFailed:
		x.add(at, x.blame(nil), entry{What: hapBroken, Who: e.Name, Text: "the channel failed: " + firstLine(e.Err), Error: sortOf(e.Err)})
	}
}

func whose(h messages.Head, child messages.Child) string { return h.Name + " " + string(child) }

func (x *experiment) childFailed(at time.Duration, e *messages.ChildFailed) {
	who := whose(e.Head, e.Child)
	if o := x.down[who]; o != nil { // it is down already: that is told when it is back
		o.attempts++
		if o.of != nil {
			o.of.failures++
		}
		return
	}
	s := x.blame(e)
	x.down[who] = &outage{of: s, since: at}
	if s != nil {
		s.failures++
		s.down++
	}
	x.noticed(at, s, entry{What: hapFailed, Who: who, Epoch: e.Epoch, Text: firstLine(e.Err), Error: sortOf(e.Err)})
}

func (x *experiment) childReady(at time.Duration, e *messages.ChildReady) {
	who := whose(e.Head, e.Child)
	o := x.down[who]
	if o == nil {
		return
	}
	delete(x.down, who)
	if o.of != nil {
		o.of.down--
		o.of.replaced = at
	}
	text := fmt.Sprintf("ready after %s", short(at-o.since))
	if o.attempts > 0 {
		text += fmt.Sprintf(", at attempt %d", o.attempts+1)
	}
	x.add(at, o.of, entry{What: hapReplaced, Who: who, Epoch: e.Epoch, Text: text})
}

// noticed is add, which detects the fault when it is the first.
func (x *experiment) noticed(at time.Duration, s *strike, e entry) {
	if s != nil && s.detected == 0 {
		s.detected = at
		if e.What == hapFailed {
			e.What = hapDetected
		}
	}
	x.add(at, s, e)
}

func (x *experiment) add(at time.Duration, s *strike, e entry) {
	if s != nil {
		e.Fault = s.n
	}
	x.line.add(at, e)
}

// blame gives the fault that something is most likely of: the crash that was asked for, or the one that began last and is not healed, or that began last at all.
func (x *experiment) blame(e *messages.ChildFailed) (latest *strike) {
	var last *strike
	for _, s := range x.strikes {
		if s.began == 0 {
			continue
		}
		if s.mustBeSeen() {
			if e != nil && s.hit > 0 && s.detected == 0 && s.crash.Actor == e.Child && causeOf(e) == s.crash.Kind {
				return s
			}
			continue
		}
		if last == nil || s.began > last.began {
			last = s
		}
		if s.open() && (latest == nil || s.began > latest.began) {
			latest = s
		}
	}
	if latest == nil {
		return last
	}
	return latest
}

// sortOther is the sort of what is no other.
const sortOther = "other"

// sortOf names an error by the kind that programs match.
func sortOf(err error) string {
	for _, k := range []struct {
		is   error
		name string
	}{
		{supervisor.ErrHung, "hung"}, {actors.ErrGoexit, "goroutine exited"}, {errInjected, "injected"},
		{broker.ErrReturned, "returned"}, {broker.ErrNacked, "negatively acknowledged"}, {broker.ErrInUse, "in use"},
		{broker.ErrUnavailable, "unavailable"}, {broker.ErrNotFound, "not found"}, {broker.ErrPermission, "permission denied"}, {broker.ErrWrongType, "wrong type"},
		{broker.ErrBlocked, "blocked"}, {broker.ErrRefused, "refused"}, {broker.ErrClosed, "closed"},
	} {
		if errors.Is(err, k.is) {
			return k.name
		}
	}
	if err != nil && strings.Contains(err.Error(), "panic") {
		return "panic"
	}
	return sortOther
}
