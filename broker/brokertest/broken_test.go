package brokertest_test

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/broker/brokertest"
	"github.com/d2e2d648/weir/broker/embedded"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A port that is only wrapped keeps the contract, and so does one that tells its events in Pendings: the wrapper is not what the suite
// finds wrong below.
func TestWrappedPortKeepsContract(t *testing.T) {
	for name, tweak := range map[string]tweak{"as it is": {}, "in pendings": {event: gather}} {
		t.Run(name, func(t *testing.T) {
			brokertest.Run(t, startHarness(t, tweak, 10*time.Second))
		})
	}
}

// Each port breaks one rule and keeps the others as well as it can. A case that names the rule must fail.
func TestBrokenPortIsFound(t *testing.T) {
	rules := map[int]bool{}
	for _, b := range breaches {
		rules[b.rule] = true
		t.Run(fmt.Sprintf("rule %d/%s", b.rule, b.name), func(t *testing.T) {
			t.Parallel()
			h := startHarness(t, b.tweak, 300*time.Millisecond)
			for _, c := range brokertest.Cases() {
				if !slices.Contains(c.Rules, b.rule) || !c.Needs(h.Offer()) {
					continue
				}
				if failures := judge(c, h); len(failures) > 0 {
					t.Logf("found by %q: %s", c.Name, failures[0])
					return
				}
			}
			t.Errorf("no case found it")
		})
	}
	for rule := 1; rule <= 22; rule++ {
		if !rules[rule] {
			t.Errorf("no port breaks rule %d", rule)
		}
	}
}

// harness is an embedded broker, wrapped.
type harness struct {
	b        *embedded.Broker
	port     broker.Port
	patience time.Duration
}

func startHarness(t *testing.T, tweak tweak, patience time.Duration) brokertest.Harness {
	b := embedded.Start()
	t.Cleanup(b.Stop)
	return harness{b, &wrapped{Port: b, tweak: tweak, bodies: map[string][]byte{}, sequences: map[string]uint64{}}, patience}
}

func (h harness) Port() broker.Port       { return h.port }
func (h harness) Offer() brokertest.Offer { return brokertest.Offer{Queues: true, Names: true} }
func (h harness) Patience() time.Duration { return h.patience }
func (h harness) Cut() error              { return h.do(h.b.Cut) }
func (h harness) Block(on bool) error     { return h.do(func() { h.b.Block(on) }) }
func (h harness) Freeze() error           { return h.do(h.b.Freeze) }
func (h harness) Thaw() error             { return h.do(h.b.Thaw) }

func (h harness) do(f func()) error {
	h.b.Sync(f)
	return nil
}

// verdict is the T of a case that may fail.
type verdict struct {
	mu       sync.Mutex
	failures []string
}

func (v *verdict) Helper()             {}
func (v *verdict) Logf(string, ...any) {}

func (v *verdict) Errorf(format string, args ...any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.failures = append(v.failures, strings.TrimSpace(fmt.Sprintf(format, args...)))
}

func (v *verdict) Fatalf(format string, args ...any) {
	v.Errorf(format, args...)
	runtime.Goexit()
}

// judge runs one case and gives what it found wrong.
func judge(c brokertest.Case, h brokertest.Harness) []string {
	v, done := &verdict{}, make(chan struct{})
	go func() {
		defer close(done)
		c.Run(v, h)
	}()
	<-done
	return v.failures
}
