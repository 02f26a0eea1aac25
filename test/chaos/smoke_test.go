package chaos

import (
	"testing"
	"time"

	"github.com/d2e2d648/weir/test/rabbit"
	"github.com/d2e2d648/weir/test/rabbit/rabbittest"
)

// TestSmoke runs schedules on either plane, and every fault that no network makes. Nothing in it is about how long something takes: what does not heal is given more than a minute.
func TestSmoke(t *testing.T) {
	for _, version := range rabbit.Versions() {
		t.Run("RabbitMQ-"+version, func(t *testing.T) {
			t.Parallel()
			node, err := Behind(t.Context(), rabbittest.Fresh(t, rabbit.Options{Version: version, Stream: true}))
			if err != nil {
				t.Fatal(err)
			}
			defer node.CloseNetwork()
			for _, p := range []*Plan{Draw(2), Draw(4), byTheBroker(), onStream(), alone(TimeOut), alone(Revoke)} {
				t.Log(p)
				r := Run(t.Context(), node, p, Options{})
				if r.Broker {
					t.Logf("the broker did not get up again: %q", r.Bad)
					continue
				}
				if r.Fates.Confirmed == 0 || len(r.Struck) != len(p.Faults) {
					t.Errorf("%d records were confirmed, %d faults struck of %d", r.Fates.Confirmed, len(r.Struck), len(p.Faults))
				}
				for _, bad := range r.Bad {
					t.Error(bad)
				}
			}
		})
	}
}

// byTheBroker has what the broker does by itself to a queue, and what users do to it. That each has its effect at the broker is looked at where it is brought about.
func byTheBroker() *Plan {
	p := Draw(8)
	p.Stream, p.Compat, p.Avro, p.NoStatus, p.WritersCreate, p.SubEntries, p.Rate = false, false, true, false, true, 0, 200
	p.Faults = faults(Cancel, CloseChannels, DeleteExchange, Poison, Stall, Burst, Refuse)
	return p
}

func onStream() *Plan {
	p := Draw(8)
	p.Stream, p.Compat, p.Ordered, p.Avro, p.NoStatus, p.SubEntries, p.Rate = true, false, false, true, false, 0, 200
	p.Faults = faults(Cancel, CloseChannels, Poison, Stall, Refuse)
	p.Faults[len(p.Faults)-1].Limit = true
	return p
}

func faults(all ...Kind) (made []Fault) {
	for i, kind := range all {
		made = append(made, Fault{Kind: kind, At: earliest + time.Duration(i)*100*time.Millisecond, For: time.Second, Which: i})
	}
	return made
}

// alone is the plan of the first seed that has the fault alone.
func alone(kind Kind) *Plan {
	for seed := uint64(1); ; seed += 2 {
		if p := Draw(seed); p.has(kind) {
			return p
		}
	}
}
