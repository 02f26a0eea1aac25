package matrix

import (
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/d2e2d648/weir/messages"
	"github.com/d2e2d648/weir/test/rabbit/rabbittest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(rabbittest.Tests(m))
}

const seed = 1

// points gives those of both planes, and sees that the life passes what it is there to pass.
func points(t *testing.T) (all []Point) {
	t.Helper()
	for _, stream := range []bool{false, true} {
		some, wrong := Points(seed, stream, nil)
		if len(wrong) > 0 {
			t.Fatalf("without a fault: %q", wrong)
		}
		all = append(all, some...)
	}
	return all
}

// The life passes, with each actor, what that actor can be sent in each phase. What is listed here is only what must not go missing unnoticed when the life is changed.
func TestLifePassesWhatActorsLiveThrough(t *testing.T) {
	type where struct {
		actor messages.Child
		phase messages.State
	}
	passed, said := map[where]bool{}, map[messages.Child]map[string]bool{}
	for _, p := range points(t) {
		passed[where{p.Actor, p.Phase}] = true
		if said[p.Actor] == nil {
			said[p.Actor] = map[string]bool{}
		}
		said[p.Actor][p.Message] = true
	}
	lives := []string{"actor.Started", "actor.Stopping", "actor.Stopped", "messages.Ping"}
	for child, also := range map[messages.Child][]string{
		messages.DataProducer: {"broker.Opened", "broker.Confirmed", "broker.Refused", "broker.Blocked", "broker.Ended", "messages.Publish", "messages.Finish", "actors.stallCheck", "actors.openTimeout",
			"actors.laneEvent broker.Opened", "actors.laneEvent broker.Confirmed", "actors.lockEvent broker.Opened", "actors.lockEvent broker.Ended"},
		messages.DataConsumer:      {"broker.Opened", "broker.Delivered", "broker.Inspected", "broker.Ended", "messages.Acknowledge", "messages.Look", "messages.Finish", "actors.openTimeout"},
		messages.StatusProducer:    {"broker.Opened", "broker.Confirmed", "broker.Blocked", "broker.Ended", "messages.SendStatus Started", "messages.SendStatus Stopped", "messages.SendStatus Closed", "actors.stallCheck", "actors.openTimeout"},
		messages.StatusConsumer:    {"broker.Opened", "broker.Delivered", "broker.Ended", "actors.historyEvent broker.Delivered", "actors.openTimeout"},
		messages.MemberConsumer:    {"broker.Opened", "broker.Delivered", "broker.Ended", "actors.historyEvent broker.Delivered"},
		messages.HealthTicker:      {"actors.healthDue"},
		messages.MetricsAggregator: {"messages.Cycles", "messages.Measure"},
		messages.Topology:          {"actors.answered 0", "actors.answered 6", "actors.tryAgain", "actors.requestTimeout 0"},
	} {
		phases := []messages.State{messages.Opening, messages.Standby, messages.Running, messages.Closing}
		if child == messages.Topology {
			phases = []messages.State{messages.Preparing, messages.Running, messages.Closing}
		} else {
			also = append(also, lives...)
		}
		for _, phase := range phases {
			if !passed[where{child, phase}] {
				t.Errorf("%s passes nothing while the channel is %s", child, phase)
			}
		}
		for _, message := range also {
			if !said[child][message] {
				t.Errorf("%s never gets %s", child, message)
			}
		}
	}
}

// Every cell recovers, or fails with a typed error. The race detector finds nothing in one thread and takes many times as long: with it, every twentieth.
func TestEveryFaultAtEveryPoint(t *testing.T) {
	var cells []Cell
	for i, c := range Cells(points(t)) {
		if !underRace || i%20 == 0 {
			cells = append(cells, c)
		}
	}
	began := time.Now()
	outcomes := Run(seed, cells)
	for _, o := range outcomes {
		if len(o.Wrong) > 0 {
			t.Errorf("%s: %q\nagain: go run ./test/matrix/cmd/matrix -seed %d -v -match %q", o.Cell, o.Wrong, seed, o.Cell)
		}
	}
	t.Logf("%v\n%s", time.Since(began), Markdown(outcomes))
}
