package chaos

import (
	"testing"

	"github.com/d2e2d648/weir/test/rabbit"
	"github.com/d2e2d648/weir/test/rabbit/rabbittest"
)

// TestSmoke runs a schedule on either plane. Nothing in it is about how long something takes: what does not heal is given more than a minute.
func TestSmoke(t *testing.T) {
	for _, version := range rabbit.Versions() {
		t.Run("RabbitMQ-"+version, func(t *testing.T) {
			t.Parallel()
			node, err := Behind(t.Context(), rabbittest.Fresh(t, rabbit.Options{Version: version, Stream: true}))
			if err != nil {
				t.Fatal(err)
			}
			defer node.CloseNetwork()
			for _, seed := range []uint64{2, 4} {
				p := Draw(seed)
				t.Log(p)
				r := Run(t.Context(), node, p, Options{})
				if r.Broker {
					t.Logf("seed %d: the broker did not get up again: %q", seed, r.Bad)
					continue
				}
				if r.Fates.Confirmed == 0 {
					t.Errorf("seed %d: nothing was confirmed", seed)
				}
				for _, bad := range r.Bad {
					t.Errorf("seed %d: %s", seed, bad)
				}
				if len(r.Bad) > 0 {
					t.Logf("again: go run ./test/chaos/cmd/chaos -schedules 1 -seed %d -version %s", seed, version)
				}
			}
		})
	}
}
