package pypz

// Filter chooses peers: the filter function of retrieve_connected_channel_unique_names (base.py:370).
type Filter func(*Monitor) bool

// Names gives the unique names of the peers that a filter chooses; nil chooses all.
func (c *Channel) Names(is Filter) (names []string) {
	c.See(func(v *View) {
		for name, m := range v.Peers {
			if is == nil || is(m) {
				names = append(names, name)
			}
		}
	})
	return names
}

// Count counts the peers that a filter chooses; nil chooses all.
func (c *Channel) Count(is Filter) int { return len(c.Names(is)) }

// CountHealthy counts the healthy peers (base.py:393).
func (c *Channel) CountHealthy() int { return c.Count((*Monitor).Healthy) }

// AnyHealthyNotStopped is base.py:405.
func (c *Channel) AnyHealthyNotStopped() bool {
	return c.Count(func(m *Monitor) bool { return m.Healthy() && !m.Is(Stopped) }) > 0
}

// AnyHealthyNotClosed is base.py:416.
func (c *Channel) AnyHealthyNotClosed() bool {
	return c.Count(func(m *Monitor) bool { return m.Healthy() && !m.Is(Closed) }) > 0
}

// AnyHealthyAtWork is base.py:434.
func (c *Channel) AnyHealthyAtWork() bool {
	return c.Count(func(m *Monitor) bool { return m.Healthy() && !m.Is(Stopped, Closed) }) > 0
}

// AnyUnhealthy is base.py:454.
func (c *Channel) AnyUnhealthy() bool {
	return c.Count(func(m *Monitor) bool { return !m.Healthy() }) > 0
}

// AnyHealthy is base.py:468.
func (c *Channel) AnyHealthy() bool { return c.CountHealthy() > 0 }

// strangers are the peers outside one's own group, whom ports count (ports.py:246).
func (c *Channel) strangers(is Filter) int {
	return c.Count(func(m *Monitor) bool { return (c.opts.Group == "" || m.Group != c.opts.Group) && is(m) })
}
