package rabbitmq

import (
	"context"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/broker/brokertest"
	"github.com/d2e2d648/weir/test/rabbit"
	"github.com/d2e2d648/weir/test/rabbit/rabbittest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(rabbittest.Tests(m)) }

// harness is the contract suite's on a private node.
type harness struct {
	node *rabbit.Node
	port *Port
}

var _ brokertest.Harness = (*harness)(nil)

func (h *harness) Port() broker.Port { return h.port }

func (h *harness) Offer() brokertest.Offer { return brokertest.Offer{Queues: true} }

func (h *harness) Patience() time.Duration { return 8 * time.Second }

func (h *harness) Cut() error {
	return h.ctl("close_all_connections", "the contract suite cuts")
}

func (h *harness) Block(on bool) error {
	watermark := "0.6"
	if on {
		watermark = "0"
	}
	return h.ctl("set_vm_memory_high_watermark", watermark)
}

func (h *harness) ctl(args ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	_, err := h.node.Ctl(ctx, args...)
	return err
}

func (h *harness) Freeze() error { return h.node.Freeze() }

func (h *harness) Thaw() error { return h.node.Thaw() }

// newPort is a port on the node that is closed with the test.
func newPort(t testing.TB, node *rabbit.Node, change func(*Config)) *Port {
	t.Helper()
	config, err := FromURL(node.URL())
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(&config)
	}
	p, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func TestContract(t *testing.T) {
	rabbittest.EachVersion(t, func(t *testing.T, node *rabbit.Node) {
		h := &harness{node: node, port: newPort(t, node, nil)}
		brokertest.Run(t, h)
	})
}
