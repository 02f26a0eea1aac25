package rabbitmq

import (
	"testing"
	"time"

	"github.com/d2e2d648/weir/broker"
)

// The connection for requests waits some seconds for more of them: whoever waits for a resource asks every second. Where the sessions have many connections it does not stay beside them.
func TestConnectionForRequestsIsGivenBack(t *testing.T) {
	closed := make(chan string, 2)
	start := func(name string) *Port {
		b := startFake(t, func(c *fakeConn) {
			if c.open() {
				c.serve(func(f frame) {
					if f.method() == connectionClose {
						closed <- name
					}
				})
			}
		})
		return b.port(func(c *Config) { c.Heartbeat = 10 * time.Second })
	}
	usual, crowded := start("usual"), start("crowded")
	if usual.topology.crowded() {
		t.Error("a port without sessions is crowded")
	}
	crowded.topology.crowded = func() bool { return true }
	for _, p := range []*Port{usual, crowded} {
		if r := do(t, p, broker.Probe{}); r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	select {
	case first := <-closed:
		if first != "crowded" {
			t.Errorf("%s was closed first", first)
		}
	case <-time.After(keepTopology):
		t.Error("neither was closed")
	}
}

// More than one connection of each role is many.
func TestCrowdedPort(t *testing.T) {
	p, err := New(Config{Addresses: []string{"localhost"}})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for _, n := range []struct {
		publishing, consuming int
		crowded               bool
	}{{0, 0, false}, {1, 1, false}, {2, 1, true}, {1, 2, true}} {
		p.publishing.links, p.consuming.links = make([]*link, n.publishing), make([]*link, n.consuming)
		if p.topology.crowded() != n.crowded {
			t.Errorf("%d and %d connections: %v", n.publishing, n.consuming, !n.crowded)
		}
	}
	p.publishing.links, p.consuming.links = nil, nil
}
