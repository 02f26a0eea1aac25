package rabbitmq

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/d2e2d648/weir/broker"
)

// gate is a broker that answers a subscription when it is told to, and notes their order.
type gate struct {
	mu     sync.Mutex
	queues []string // in the order in which they were subscribed to
	open   int      // of those that are in no hurry
	most   int
	rears  map[uint16]bool
}

func (g *gate) see(f frame) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch f.method() {
	case basicConsume:
		r := reader{b: f.payload}
		r.take(6)
		queue := string(r.shortstr())
		g.queues = append(g.queues, queue)
		if strings.HasPrefix(queue, "rear") {
			g.rears[f.channel] = true
			g.open++
			g.most = max(g.most, g.open)
		}
	case channelClose:
		if g.rears[f.channel] {
			delete(g.rears, f.channel)
			g.open--
		}
	}
}

// Sessions in the background come behind all others, a few at a time. One that stays open does not keep the next from being opened.
func TestBackgroundSessionsComeBehindOthers(t *testing.T) {
	const n = 100
	for _, stays := range []bool{false, true} {
		t.Run(fmt.Sprint("stays ", stays), func(t *testing.T) {
			g := &gate{rears: map[uint16]bool{}}
			all := make(chan struct{}) // closed when they wait
			b := startFake(t, func(c *fakeConn) {
				if <-all; c.open() {
					c.serve(g.see)
				}
			})
			p := b.port(func(c *Config) { c.Heartbeat = 10 * time.Second })
			var opened sync.WaitGroup
			open := func(queue string, background bool) {
				lease := p.Lease(t.Name())
				t.Cleanup(lease.Abort)
				opened.Add(1)
				lease.OpenConsumer(broker.ConsumerConfig{Queue: queue, Prefetch: 1, MaxBatch: 1, Background: background}, func(e broker.Event) {
					for _, e := range e.(*broker.Pending).Take() {
						switch e := e.(type) {
						case *broker.Opened:
							opened.Done()
							if background && !stays {
								time.AfterFunc(50*time.Millisecond, lease.Abort)
							}
						case *broker.Ended:
							t.Errorf("%s: %v", queue, e.Err)
						}
					}
				})
			}
			for i := range n {
				open(fmt.Sprint("front-", i), false)
				open(fmt.Sprint("rear-", i), true)
			}
			close(all)
			opened.Wait()
			g.mu.Lock()
			defer g.mu.Unlock()
			for i, queue := range g.queues {
				if fronts := i < n; fronts != strings.HasPrefix(queue, "front") {
					t.Fatalf("%q is number %d", queue, i)
				}
			}
			if len(g.queues) != 2*n || !stays && g.most > 2*maxRear { // a place is given back before the broker has seen the end
				t.Errorf("%d were opened; up to %d in the background at a time", len(g.queues), g.most)
			}
		})
	}
}
