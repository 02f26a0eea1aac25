package rabbitmq

import (
	"slices"
	"time"
)

// This file is the keeper's account of its connections.

// room gives a connection that can open one more channel. A blocked one cannot: the broker does not read it. The lock is held.
func (k *keeper) room() *link {
	for _, l := range k.links {
		if !l.blocked && l.channels < l.max {
			return l
		}
	}
	return nil
}

// connections says how many there are.
func (k *keeper) connections() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.links)
}

// keep takes a new connection in.
func (k *keeper) keep(l *link) {
	now := time.Now()
	k.mu.Lock()
	l.born, l.idleSince = now, now
	k.links = append(k.links, l)
	k.last = nil
	k.mu.Unlock()
	if l.wire.ended() != nil { // before it was in the list
		k.onGone(l, l.gone())
	}
}

// onGone takes out a connection that has ended.
func (k *keeper) onGone(l *link, why error) {
	k.mu.Lock()
	i := slices.Index(k.links, l)
	if i >= 0 {
		k.links = slices.Delete(k.links, i, i+1)
		k.last = why
		if now := time.Now(); now.Sub(l.born) < shortLife {
			k.next = now.Add(k.backoff.failed(why))
		} else {
			k.backoff.reset()
			k.next = now
		}
	}
	changed := k.updateHold()
	k.mu.Unlock()
	k.tellHold(changed)
	k.poke()
}

// onHold follows connection.blocked and connection.unblocked.
func (k *keeper) onHold(l *link, on bool) {
	k.mu.Lock()
	l.blocked = on
	changed := k.updateHold()
	k.mu.Unlock()
	k.tellHold(changed)
	k.poke()
}

// updateHold finds out whether the broker's alarm is on, as far as the connections know, and gives those that have to be told of a change. The
// lock is held.
func (k *keeper) updateHold() []*link {
	on := slices.ContainsFunc(k.links, func(l *link) bool { return l.blocked })
	if k.hold.Swap(on) == on {
		return nil
	}
	return slices.Clone(k.links)
}

func (k *keeper) tellHold(links []*link) {
	for _, l := range links {
		l.wire.holdChanged()
	}
}

// idle takes those out that nobody has needed for a while, all but one. The lock is held.
func (k *keeper) idle(now time.Time) (idle []*link) {
	for i := len(k.links) - 1; i >= 0 && len(k.links) > 1; i-- {
		if l := k.links[i]; l.channels == 0 && now.Sub(l.idleSince) >= idleLink {
			k.links = slices.Delete(k.links, i, i+1)
			idle = append(idle, l)
		}
	}
	return idle
}

// leaveLink gives a session's channel back.
func (k *keeper) leaveLink(l *link) {
	k.mu.Lock()
	l.channels--
	if l.channels == 0 {
		l.idleSince = time.Now()
	}
	k.mu.Unlock()
	k.poke()
}
