package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/d2e2d648/weir/test/rabbit"
	"github.com/d2e2d648/weir/test/rabbit/rabbittest"
)

// On nodes that the command starts itself: a queue on one version, a stream on the other.
func TestExperimentOnAPrivateNode(t *testing.T) {
	for _, c := range []struct {
		version, plane string
		faults         []string
	}{
		{rabbit.V4_0, planeQueue, []string{"kill@1s:100ms", "close-connections@2s", "alarm@3s:500ms", "flaky@7s:500ms,20000", "slice@8s:500ms,11"}},
		{rabbit.V3_10, planeStream, []string{"freeze@1s:4s", "kill-queue@2s", "restart@3s:100ms", "throttle@200ms:300ms,40000"}},
	} {
		t.Run(c.version+"/"+c.plane, func(t *testing.T) {
			args := []string{"--broker", "private:" + c.version, "--plane", c.plane, "--for", "2s", "--rate", "2000", "--writers", "2", "--readers", "2", "--ordered"}
			for _, f := range c.faults {
				args = append(args, "--fault", f)
			}
			r := experimentOf(t, exitFine, args...)
			mustHeal(t, r)
			ended := map[lane]float64{}
			for _, f := range r.Faults {
				lane := kindOf(f.Name).lane
				if f.Began < ended[lane] {
					t.Errorf("%s began while the one before it in the lane %s was not over: %+v", f.Name, lane, r.Faults)
				}
				ended[lane] = f.Ended
			}
			first := slices.IndexFunc(r.Faults, func(f faultReport) bool { return kindOf(f.Name).lane == ofBroker })
			if kill := &r.Faults[first]; kill.Failures < 4 || kill.Detected == nil || *kill.Recovered < kill.Ended-kill.Hit {
				t.Errorf("nobody missed the broker: %+v", kill)
			}
		})
	}
}

func TestRevokedCredentialsEndAnExperimentAtOnce(t *testing.T) {
	r := experimentOf(t, exitFailed, "--broker", "private", "--rate", "1000", "--fault", "revoke@500ms")
	if !strings.HasPrefix(r.Verdict, "FAILED: the channel failed (permission denied)") || r.Records.Lost != 0 || r.OK || r.Faults[0].Hit == 0 {
		t.Errorf("%s: %+v", r.Verdict, r.Faults)
	}
}

// On a broker of somebody's: only the network before it, actors, and the channel's own queue.
func TestExperimentOnABrokerThatIsThere(t *testing.T) {
	rabbittest.EachVersion(t, func(t *testing.T, node *rabbit.Node) {
		began := uptime(t, node)
		args, plane := []string{"--broker", node.URL(), "--fault", "delete-queue@2500ms"}, planeQueue
		if node.Version() == rabbit.V3_10 {
			args, plane = streamArgs(node, "--fault", "delete-stream@2500ms"), planeStream
		}
		r := experimentOf(t, exitFine, append(args, "--for", "1s", "--rate", "2000", "--health-interval", "100ms",
			"--fault", "cut@500ms", "--fault", "crash@1s:data-producer=error", "--fault", "refuse@1500ms:300ms")...)
		mustHeal(t, r)
		if r.Plane != plane || strings.Contains(strings.Join(r.Command, " "), "guest") {
			t.Errorf("%v", r.Command)
		}
		if all := resources(t, node); strings.Contains(all, r.Channel) {
			t.Errorf("left: %s", all)
		}
		if again := uptime(t, node); again < began {
			t.Error("the broker was started anew")
		}
	})
}

// uptime is how long a node has run.
func uptime(t *testing.T, node *rabbit.Node) time.Duration {
	t.Helper()
	out, err := node.Ctl(t.Context(), "eval", "element(1, erlang:statistics(wall_clock)).")
	if err != nil {
		t.Fatal(err)
	}
	d, err := time.ParseDuration(strings.TrimSpace(out) + "ms")
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestNobodyAtTheAddressOfAnExperiment(t *testing.T) {
	_, said := command(t, exitFailed, "", "experiment", "--timeout", "300ms", "--broker", "amqp://me:never-show-this@127.0.0.1:1", "--fault", "cut@1s")
	if !strings.Contains(said, "127.0.0.1:1, behind the experiment's network") || strings.Contains(said, "never-show-this") {
		t.Error(said)
	}
}
