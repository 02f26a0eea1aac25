package pypz

import (
	"fmt"
	"maps"
	"time"
)

// Monitor is what a peer knows of another: ChannelStatusMonitor (status.py:139).
type Monitor struct {
	Channel, Context, Group string
	// State is "" until the other has said one.
	State string
	// Changed is when the state last became different, Latest the greatest time seen, both by the other's clock.
	Changed, Latest int64
	// Times has when each status was last said. Writing takes Acknowledged out.
	Times map[string]int64
	// Late counts statuses that were older than another before them.
	Late int

	since    time.Time
	patience time.Duration
}

func newMonitor(s *Status, patience time.Duration) *Monitor {
	return &Monitor{Channel: s.Channel, Context: s.Context, Group: s.Group, Times: map[string]int64{}, since: time.Now(), patience: patience}
}

// Unique is the other's unique name.
func (m *Monitor) Unique() string { return m.Channel + "@" + m.Context }

// Healthy compares the other's clock with ours (status.py:199).
func (m *Monitor) Healthy() bool {
	if m.Latest == 0 {
		return m.patience > time.Since(m.since)
	}
	return m.patience.Milliseconds() > time.Now().UnixMilli()-m.Latest
}

// Is says whether the other is in one of the states.
func (m *Monitor) Is(states ...string) bool {
	for _, state := range states {
		if m.State == state {
			return true
		}
	}
	return false
}

// Finished is what ports count (ports.py:293).
func (m *Monitor) Finished() bool { return !m.Healthy() || m.Is(Stopped, Closed) }

// update is status.py:229.
func (m *Monitor) update(s *Status) error {
	if s.Unique() != m.Unique() {
		return fmt.Errorf("invalid status message, mismatching channel name: %s", s.Unique())
	}
	if s.Timestamp < m.Latest {
		m.Late++
	}
	m.Latest = max(m.Latest, s.Timestamp)
	state := m.State
	if isState(s.Kind) && s.Timestamp >= m.Changed && (m.State != Error || s.Kind == Opened || s.Kind == Started) {
		state = s.Kind
	}
	// Without a state yet, every message moves the time of the change, a health check, too (status.py:279).
	if state == "" || state != m.State {
		m.State, m.Changed = state, s.Timestamp
	}
	m.Times[s.Kind] = s.Timestamp
	return nil
}

func isState(kind string) bool {
	switch kind {
	case Opened, Started, Stopped, Closed, Error:
		return true
	}
	return false
}

func (m *Monitor) clone() Monitor {
	c := *m
	c.Times = maps.Clone(m.Times)
	return c
}
