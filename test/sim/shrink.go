package sim

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// Shrunk is the smallest schedule that was found to be violated in the same way.
type Shrunk struct {
	Leave Leave
	// Drawn is how many faults the whole schedule has, Runs how many schedules were tried.
	Drawn, Runs int
	Result      Result
}

// Command is what replays it.
func (s *Shrunk) Command() string {
	return fmt.Sprintf("go run ./test/sim/cmd/simulate -seed %d -mode %s%s -v", s.Result.Seed, s.Result.Mode, s.Leave.Flags())
}

// Flags gives what is left out as flags of the command.
func (l *Leave) Flags() string {
	var s strings.Builder
	if l.Only != nil {
		numbers := strings.Trim(strings.Join(strings.Fields(fmt.Sprint(l.Only)), ","), "[]")
		if numbers == "" {
			numbers = "0" // none
		}
		s.WriteString(" -only " + numbers)
	}
	if l.Withdrawals {
		s.WriteString(" -withdrawals=false")
	}
	if l.Records > 0 {
		fmt.Fprintf(&s, " -records %d", l.Records)
	}
	return s.String()
}

// Shrink looks for the smallest schedule of the seed that is violated in the same way: it leaves out faults, half of them at first and one at a time in the end, then the withdrawals of users,
// then records. What is left out changes what is drawn behind it, so what is found need not be a part of the whole; but it is a schedule, and is replayed as well. Nil: the whole is not violated.
func (r *Runner) Shrink(seed uint64, mode Mode) *Shrunk {
	whole := r.Run(seed, mode)
	if len(whole.Bad) == 0 {
		return nil
	}
	s := &Shrunk{Drawn: whole.Drawn, Runs: 1, Result: whole}
	try := func(leave Leave) bool {
		s.Runs++
		result := r.RunWithout(seed, mode, leave)
		if len(result.Bad) == 0 || class(result.Bad[0]) != class(whole.Bad[0]) {
			return false
		}
		s.Leave, s.Result = leave, result
		return true
	}
	keep := make([]int, whole.Drawn)
	for i := range keep {
		keep[i] = i + 1
	}
	for size := max(1, len(keep)/2); ; size /= 2 {
		for i := 0; i < len(keep); {
			fewer := slices.Delete(slices.Clone(keep), i, min(i+size, len(keep)))
			if leave := s.Leave; try(Leave{Only: fewer, Withdrawals: leave.Withdrawals, Records: leave.Records}) {
				keep = fewer
				continue
			}
			i += size
		}
		if size <= 1 {
			break
		}
	}
	leave := s.Leave
	if leave.Withdrawals = true; try(leave) {
		leave = s.Leave
	}
	leave = s.Leave
	for leave.Records = 32; leave.Records >= 2 && try(leave); {
		leave.Records /= 2
	}
	return s
}

// class is the kind of a violation: its text without figures, up to where it says how it came.
func class(violation string) string {
	violation, _, _ = strings.Cut(violation, ":")
	return strings.Map(func(c rune) rune {
		if unicode.IsDigit(c) {
			return -1
		}
		return c
	}, violation)
}
