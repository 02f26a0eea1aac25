package main

import (
	"time"
)

// strike is a fault of an experiment on its way. Times are since the first record; 0: not yet.
type strike struct {
	*fault
	n int // from 1

	began, hit, ended           time.Duration
	detected, replaced, through time.Duration // through: the first record that was attempted after the hit and got everywhere
	after                       time.Duration // the same of the first that was attempted after the end, where the fault lasts
	failures                    int           // of children, those of next incarnations included
	down                        int           // children that it brought down and that are not back
	broken                      error         // it could not be brought about
	skipped                     bool          // the experiment was ended before
}

// mustBeSeen says that the fault is only over when somebody has noticed it.
func (s *strike) mustBeSeen() bool { return s.crash.Actor != "" }

// over says that the fault itself has ended.
func (s *strike) over() bool {
	return s.broken != nil || s.skipped || s.ended > 0
}

// healed says that the channel is as before.
func (s *strike) healed() bool {
	return s.broken == nil && s.ended > 0 && s.through > 0 && s.down == 0 && (s.after > 0 || !s.lasts()) && (s.detected > 0 || !s.mustBeSeen())
}

func (s *strike) lasts() bool { return s.kind.length > 0 }

// open says that what happens may be of this fault.
func (s *strike) open() bool { return s.began > 0 && s.broken == nil && !s.healed() }

// sinceHit gives how long after the strike something was; nil when it never was. A strike may take a while, such as an orderly stop: what comes before it is complete counts from its beginning.
func (s *strike) sinceHit(at time.Duration) *float64 {
	if at == 0 || s.hit == 0 {
		return nil
	}
	from := s.hit
	if at < from {
		from = s.began
	}
	ms := milliseconds(max(at-from, 0))
	return &ms
}

// afterEnd gives how long after the fault's end the first record got through that was attempted after it; nil where the fault does not last.
func (s *strike) afterEnd() *float64 {
	if !s.lasts() || s.after == 0 {
		return nil
	}
	ms := milliseconds(s.after - s.ended)
	return &ms
}
