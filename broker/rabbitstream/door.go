package rabbitstream

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"sync"
	"syscall"
	"time"
)

const (
	// waitLimit is how long a session waits where nobody listens; then it is told so.
	waitLimit = 4 * time.Second
	// unreadyPause is the longest pause until a session looks again whether its stream is ready, for each of those that do, up to unreadyMost: each look is a connection.
	unreadyPause, unreadyMost = 20 * time.Millisecond, time.Second
	// knockPause is the longest pause between two knocks: to find out that nobody listens costs nobody anything.
	knockPause = 100 * time.Millisecond
)

// nobody says that nobody listened at an address.
func nobody(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }

// door lets sessions wait until the broker listens, and until it has their streams. While some wait for the first, one goroutine knocks for all.
type door struct {
	mu      sync.Mutex
	waiting int
	unready int           // sessions that wait for their streams
	opens   chan struct{} // closed when somebody listens; nil: nobody knocks
}

// await waits until somebody listens at one of the addresses. False: the limit has passed, or the context has ended.
func (p *Port) await(ctx context.Context, limit time.Time) bool {
	opens := p.join()
	if opens == nil {
		return false
	}
	defer p.leave()
	late := time.NewTimer(time.Until(limit))
	defer late.Stop()
	select {
	case <-opens:
		return true
	case <-late.C:
	case <-ctx.Done():
	}
	return false
}

// pause waits until it is time to look again for a stream that is not ready. False: the limit would pass, or the context has ended.
func (p *Port) pause(ctx context.Context, limit time.Time) bool {
	p.door.mu.Lock()
	p.door.unready++
	most := min(unreadyMost, time.Duration(p.door.unready)*unreadyPause)
	p.door.mu.Unlock()
	defer func() {
		p.door.mu.Lock()
		p.door.unready--
		p.door.mu.Unlock()
	}()
	wait := time.Millisecond + rand.N(most)
	if time.Until(limit) < wait {
		return false
	}
	select {
	case <-time.After(wait):
		return true
	case <-ctx.Done():
		return false
	}
}

// join makes one more wait; nil when the port is closed.
func (p *Port) join() (opens <-chan struct{}) {
	d := &p.door
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.opens == nil {
		d.opens = make(chan struct{})
		if !p.begin(p.knock) {
			d.opens = nil
			return nil
		}
	}
	d.waiting++
	return d.opens
}

func (p *Port) leave() {
	p.door.mu.Lock()
	defer p.door.mu.Unlock()
	p.door.waiting--
}

// knock goes on until somebody listens, or nobody waits.
func (p *Port) knock() {
	d := &p.door
	for {
		select {
		case <-time.After(time.Millisecond + rand.N(knockPause)):
		case <-p.ctx.Done():
		}
		open := p.ctx.Err() != nil || p.listens()
		d.mu.Lock()
		if open || d.waiting == 0 {
			close(d.opens)
			d.opens = nil
			d.mu.Unlock()
			return
		}
		d.mu.Unlock()
	}
}

// listens: what is no refusal is for the sessions to find out.
func (p *Port) listens() bool {
	for _, address := range p.config.Addresses {
		ctx, cancel := context.WithTimeout(p.ctx, p.config.DialTimeout)
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		cancel()
		if err == nil {
			conn.Close()
		}
		if !nobody(err) {
			return true
		}
	}
	return false
}
