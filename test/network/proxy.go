// Package network is the network between clients and a port of a broker, which has faults of its own: for schedules of faults (test/chaos) and for "demo experiment".
package network

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// Direction is a way through the proxy, or both.
type Direction uint8

// The two ways.
const (
	ToBroker Direction = 1 << iota
	FromBroker
)

// Weather is what befalls the bytes on their way. The zero value is fine weather.
type Weather struct {
	Silent   Direction     // nothing gets through, and nobody is told
	Delay    time.Duration // before each piece that is handed on
	Rate     int           // bytes a second of each connection and direction; 0: no bound
	Slice    int           // the longest piece in bytes; 0: no bound
	CutAfter int           // each connection is reset when it has carried so many bytes; 0: never
}

// Proxy is the network between clients and one port of a broker. It is safe for concurrent use.
type Proxy struct {
	target string
	listen net.Listener
	tasks  sync.WaitGroup

	mu      sync.Mutex
	weather Weather
	changed chan struct{} // closed when the weather changes
	pairs   map[*pair]struct{}
	dialed  int // how many connections were asked for so far
	closed  bool
}

// pair is one connection: the client's half and the broker's.
type pair struct {
	client, broker *net.TCPConn
	over           chan struct{} // closed when it was ended
	end            sync.Once
	carried        int       // bytes since the weather changed
	dead           Direction // what comes that way is dropped for ever
}

// NewProxy listens on a loopback port of its own.
func NewProxy(target string) (*Proxy, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Proxy{target: target, listen: l, changed: make(chan struct{}), pairs: map[*pair]struct{}{}}
	p.tasks.Go(p.accept)
	return p, nil
}

// Address is where clients dial.
func (p *Proxy) Address() string { return p.listen.Addr().String() }

// Close ends everything and waits for it.
func (p *Proxy) Close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	_ = p.listen.Close()
	p.Reset()
	p.tasks.Wait()
}

// Set changes the weather, for connections that are there and for new ones.
func (p *Proxy) Set(w Weather) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.weather = w
	for c := range p.pairs {
		c.carried = 0
	}
	close(p.changed)
	p.changed = make(chan struct{})
}

// Reset ends all connections by RST, in both directions.
func (p *Proxy) Reset() {
	for _, c := range p.all() {
		c.reset()
	}
}

// Forget leaves all present connections half-open: what comes that way is dropped from now on, the end included. New connections are not concerned.
func (p *Proxy) Forget(way Direction) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.pairs {
		c.dead |= way
	}
}

// Dialed says how many connections clients have asked for so far.
func (p *Proxy) Dialed() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dialed
}

func (p *Proxy) all() (all []*pair) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.pairs {
		all = append(all, c)
	}
	return all
}

func (p *Proxy) accept() {
	for {
		conn, err := p.listen.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			p.mu.Lock()
			p.dialed++
			p.mu.Unlock()
			p.tasks.Go(func() { p.serve(conn.(*net.TCPConn)) })
		}
	}
}

// serve carries one connection until its end.
func (p *Proxy) serve(client *net.TCPConn) {
	up, err := net.DialTimeout("tcp", p.target, 5*time.Second)
	if err != nil {
		refuse(client)
		return
	}
	c := &pair{client: client, broker: up.(*net.TCPConn), over: make(chan struct{})}
	p.mu.Lock()
	gone := p.closed
	p.pairs[c] = struct{}{}
	p.mu.Unlock()
	if gone {
		c.reset()
	}
	var ways sync.WaitGroup
	ways.Go(func() { p.carry(c, c.client, c.broker, ToBroker) })
	ways.Go(func() { p.carry(c, c.broker, c.client, FromBroker) })
	ways.Wait()
	c.close()
	p.mu.Lock()
	delete(p.pairs, c)
	p.mu.Unlock()
}

// carry hands on what comes one way until there is nothing more.
func (p *Proxy) carry(c *pair, from, to *net.TCPConn, way Direction) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 && !p.pass(c, to, buffer[:n], way) {
			return
		}
		if err == nil {
			continue
		}
		p.mu.Lock()
		dead := c.dead&way != 0
		p.mu.Unlock()
		switch {
		case dead: // who is on the other side is not told
		case errors.Is(err, io.EOF):
			if p.fine(c, way) {
				_ = to.CloseWrite()
			}
		default:
			c.reset()
		}
		return
	}
}

// fine waits while the way is silent. False: the connection has ended.
func (p *Proxy) fine(c *pair, way Direction) bool {
	for {
		p.mu.Lock()
		silent, changed := p.weather.Silent&way != 0, p.changed
		p.mu.Unlock()
		if !silent {
			return true
		}
		select {
		case <-changed:
		case <-c.over:
			return false
		}
	}
}

// pass hands on a piece in whatever the weather is. False: the connection has ended.
func (p *Proxy) pass(c *pair, to *net.TCPConn, data []byte, way Direction) bool {
	for len(data) > 0 {
		if !p.fine(c, way) {
			return false
		}
		p.mu.Lock()
		w, dead := p.weather, c.dead&way != 0
		n := len(data)
		if w.Slice > 0 {
			n = min(n, w.Slice)
		}
		if w.Rate > 0 {
			n = min(n, max(1, w.Rate/50))
		}
		cut := w.CutAfter > 0 && c.carried+n >= w.CutAfter
		if cut {
			n = max(0, w.CutAfter-c.carried)
		}
		c.carried += n
		p.mu.Unlock()
		if dead {
			return true
		}
		wait := w.Delay
		if w.Rate > 0 {
			wait += time.Duration(n) * time.Second / time.Duration(w.Rate)
		}
		if wait > 0 && !c.pause(wait) {
			return false
		}
		if _, err := to.Write(data[:n]); err != nil || cut {
			c.reset()
			return false
		}
		data = data[n:]
	}
	return true
}

// pause waits, or says that the connection has ended.
func (c *pair) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-c.over:
		return false
	}
}

func (c *pair) reset() {
	c.end.Do(func() {
		close(c.over)
		refuse(c.client)
		refuse(c.broker)
	})
}

func (c *pair) close() {
	c.end.Do(func() {
		close(c.over)
		_ = c.client.Close()
		_ = c.broker.Close()
	})
}

// refuse ends a connection by RST.
func refuse(conn *net.TCPConn) {
	_ = conn.SetLinger(0)
	_ = conn.Close()
}
