package pypz

import (
	"context"
	"fmt"
	"strings"
)

// View is all that a peer has heard and said. A View that a function is given is the peer's own: it must not be kept or changed.
type View struct {
	// Peers are the monitors by unique name; there is none of the peer itself.
	Peers map[string]*Monitor
	// Heard has every status in the order in which it came, also those of the peer itself where it hears its own side.
	Heard []Heard
	// Said has what the peer itself has said.
	Said []Status
	// Errors has what the original logs and goes on.
	Errors []error

	channel string
}

// Heard is a status and how it came.
type Heard struct {
	Status
	Stream string
	Body   string // as it was on the wire
}

// Peer gives the monitor of a context name on the same channel; an empty one when nothing was heard of it.
func (v *View) Peer(name string) *Monitor {
	if m := v.Peers[v.channel+"@"+name]; m != nil {
		return m
	}
	return &Monitor{}
}

// Of gives what was heard of a context name.
func (v *View) Of(name string) (heard []Heard) {
	for _, h := range v.Heard {
		if h.Context == name {
			heard = append(heard, h)
		}
	}
	return heard
}

// String gives a line for each peer and each error.
func (v *View) String() string {
	var b strings.Builder
	for name, m := range v.Peers {
		fmt.Fprintf(&b, "\n  %s is %q, healthy %v, of group %q, %d statuses", name, m.State, m.Healthy(), m.Group, len(v.Of(m.Context)))
	}
	for _, err := range v.Errors {
		fmt.Fprintf(&b, "\n  error: %v", err)
	}
	return b.String()
}

// See lets f look at the peer's view.
func (c *Channel) See(f func(*View)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f(&c.view)
}

// Peer gives what is known of a context name on the same channel.
func (c *Channel) Peer(name string) (m Monitor) {
	c.See(func(v *View) { m = v.Peer(name).clone() })
	return m
}

// Errors gives the errors so far that nobody was told.
func (c *Channel) Errors() (errs []error) {
	c.See(func(v *View) { errs = append(errs, v.Errors...) })
	return errs
}

// Wait waits until the view is as wanted. It looks whenever the view has changed. A peer whose control loop does not run polls its statuses meanwhile.
func (c *Channel) Wait(ctx context.Context, what string, is func(*View) bool) error {
	for {
		changed, done := c.look(is)
		if done {
			return nil
		}
		if !c.looping() {
			if err := c.Update(); err != nil {
				return fmt.Errorf("%s waits for %s: %w", c.opts.uniqueName(), what, err)
			}
			if ctx.Err() == nil {
				continue
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			var view string
			c.See(func(v *View) { view = v.String() })
			return fmt.Errorf("%s waits for %s: %w; it knows%s", c.opts.uniqueName(), what, ctx.Err(), view)
		}
	}
}

// WaitState waits until a peer is in a state.
func (c *Channel) WaitState(ctx context.Context, name, state string) error {
	return c.Wait(ctx, name+" to be "+state, func(v *View) bool { return v.Peer(name).State == state })
}

// WaitSaid waits until a peer has said a status so many times.
func (c *Channel) WaitSaid(ctx context.Context, name, kind string, times int) error {
	return c.Wait(ctx, fmt.Sprintf("%d × %s of %s", times, kind, name), func(v *View) bool {
		n := 0
		for _, h := range v.Of(name) {
			if h.Kind == kind {
				n++
			}
		}
		return n >= times
	})
}

func (c *Channel) look(is func(*View) bool) (changed <-chan struct{}, done bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.changed, is(&c.view)
}

// change changes the view and wakes all who wait.
func (c *Channel) change(f func(*View)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f(&c.view)
	close(c.changed)
	c.changed = make(chan struct{})
}

func (c *Channel) fail(what string, err error) {
	if err != nil {
		c.change(func(v *View) { v.Errors = append(v.Errors, fmt.Errorf("%s: %w", what, err)) })
	}
}
