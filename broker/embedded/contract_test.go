package embedded_test

import (
	"testing"
	"time"

	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/broker/brokertest"
	"github.com/d2e2d648/weir/broker/embedded"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestContract(t *testing.T) {
	b := embedded.Start()
	t.Cleanup(b.Stop)
	brokertest.Run(t, harness{b, everything})
	b.Sync(func() {
		if c := b.Counts(); c.Publishers+c.Consumers+c.Leases > 0 || len(b.Queues())+len(b.Exchanges()) > 0 {
			t.Errorf("the suite left %+v, %v, %v", c, b.Queues(), b.Exchanges())
		}
	})
}

// What a port of streams alone is asked, asked of one that has more.
func TestContractOfStreams(t *testing.T) {
	b := embedded.Start()
	t.Cleanup(b.Stop)
	brokertest.Run(t, harness{b, brokertest.Offer{Names: true}})
}

// The same, while packets take time.
func TestContractWithLatency(t *testing.T) {
	b := embedded.Start(embedded.WithLatency(embedded.Fixed(200 * time.Microsecond)))
	t.Cleanup(b.Stop)
	brokertest.Run(t, harness{b, everything})
}

// harness provokes by the broker's own faults.
type harness struct {
	b     *embedded.Broker
	offer brokertest.Offer
}

var everything = brokertest.Offer{Queues: true, Names: true}

func (h harness) Port() broker.Port       { return h.b }
func (h harness) Offer() brokertest.Offer { return h.offer }
func (h harness) Patience() time.Duration { return 10 * time.Second }
func (h harness) Cut() error              { return h.do(h.b.Cut) }
func (h harness) Block(on bool) error     { return h.do(func() { h.b.Block(on) }) }
func (h harness) Freeze() error           { return h.do(h.b.Freeze) }
func (h harness) Thaw() error             { return h.do(h.b.Thaw) }

func (h harness) do(f func()) error {
	h.b.Sync(f)
	return nil
}
