package chaos

import (
	"strings"
	"testing"

	"github.com/d2e2d648/weir/test/rabbit"
	"github.com/d2e2d648/weir/test/rabbit/rabbittest"
)

// A broker that serves everybody is told from one whose quorum queues have no process any more; its streams and classic queues go on.
func TestServes(t *testing.T) {
	for _, version := range rabbit.Versions() {
		t.Run("RabbitMQ "+version, func(t *testing.T) {
			t.Parallel()
			node, err := Behind(t.Context(), rabbittest.Fresh(t, rabbit.Options{Version: version, Stream: true}))
			if err != nil {
				t.Fatal(err)
			}
			defer node.CloseNetwork()
			quorum, classic, stream := &Plan{}, &Plan{Compat: true}, &Plan{Stream: true}
			for _, p := range []*Plan{quorum, classic, stream} {
				if err := node.serves(t.Context(), p); err != nil {
					t.Errorf("%+v: %v", p, err)
				}
			}
			if out, err := node.Ctl(t.Context(), "eval", `supervisor:terminate_child(ra_systems_sup, quorum_queues).`); err != nil || strings.TrimSpace(out) != "ok" {
				t.Fatal(out, err)
			}
			if err := node.serves(t.Context(), quorum); err == nil {
				t.Error("a broker without quorum queues serves them")
			}
			for _, p := range []*Plan{classic, stream} {
				if err := node.serves(t.Context(), p); err != nil {
					t.Errorf("%+v, without quorum queues: %v", p, err)
				}
			}
		})
	}
}
