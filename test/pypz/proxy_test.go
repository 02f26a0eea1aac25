package pypz_test

import (
	"io"
	"net"
	"strings"
	"sync"
	"testing"
)

// proxy stands between weir and the broker, so that a test can cut weir's connections and no others.
type proxy struct {
	listener net.Listener
	to       string
	running  sync.WaitGroup
	mu       sync.Mutex
	open     []net.Conn
}

// proxied gives a proxy to the scene's node and the URL through it.
func proxied(s *scene) (*proxy, string) {
	s.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	s.must(err)
	p := &proxy{listener: listener, to: s.node.Address()}
	p.running.Go(p.accept)
	s.Cleanup(p.end)
	return p, strings.Replace(s.node.URL(), p.to, listener.Addr().String(), 1)
}

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		broker, err := net.Dial("tcp", p.to)
		if err != nil {
			_ = client.Close()
			continue
		}
		p.mu.Lock()
		p.open = append(p.open, client, broker)
		p.mu.Unlock()
		p.running.Go(func() { pipe(client, broker) })
		p.running.Go(func() { pipe(broker, client) })
	}
}

// pipe copies until either end is closed, and then closes both.
func pipe(to, from net.Conn) {
	_, _ = io.Copy(to, from)
	_ = to.Close()
	_ = from.Close()
}

// cut closes all connections of now; new ones get through.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, conn := range p.open {
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
		_ = conn.Close()
	}
	p.open = nil
}

func (p *proxy) end() {
	_ = p.listener.Close()
	p.cut()
	p.running.Wait()
}

var _ testing.TB = (*scene)(nil)
