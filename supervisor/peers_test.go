package supervisor

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/d2e2d648/weir/messages"
)

const (
	opened  = messages.StatusOpened
	started = messages.StatusStarted
	stopped = messages.StatusStopped
	closed  = messages.StatusClosed
	failed  = messages.StatusError
	health  = messages.StatusHealthCheck
	acked   = messages.StatusAcknowledged
	waiting = messages.StatusWaitingForSchema
)

// testPeers are those of a writer: all that it hears are readers.
func testPeers() peers {
	return newPeers(messages.Endpoint{Side: messages.Writing, Name: "C@me", Context: "me"}, 1, DefaultPeerTimeout, DefaultHealthInterval)
}

const theirs = messages.Reading

func how(history bool) hearing {
	if history {
		return replayed
	}
	return live
}

func status(context string, kind messages.Kind, timestamp int64) *messages.Status {
	return &messages.Status{Channel: "C", Context: context, Kind: kind, Timestamp: timestamp}
}

// The peer monitor of the wire contract, row by row.
func TestPeerStateMachine(t *testing.T) {
	type said struct {
		kind messages.Kind
		at   int64
	}
	for _, test := range []struct {
		name    string
		said    []said
		state   messages.Kind
		changed int64
	}{
		{"the first state", []said{{opened, 50}}, opened, 50},
		{"a state that differs moves change", []said{{opened, 10}, {started, 50}}, started, 50},
		{"the same state does not move change", []said{{opened, 10}, {opened, 50}}, opened, 10},
		{"so a stop between the two counts", []said{{opened, 10}, {opened, 50}, {stopped, 20}}, stopped, 20},
		{"a tie: the later arrival wins", []said{{opened, 10}, {started, 10}}, started, 10},
		{"a tie, the other way", []said{{started, 10}, {opened, 10}}, opened, 10},
		{"an older state is dropped", []said{{started, 50}, {opened, 49}}, started, 50},
		{"a health check before any state sets change: an older state is dropped", []said{{health, 100}, {opened, 50}}, "", 50},
		{"which sets change back", []said{{health, 100}, {opened, 50}, {failed, 50}}, failed, 50},
		{"and the state comes when it is not older", []said{{health, 100}, {opened, 100}}, opened, 100},
		{"acknowledged before any state sets change, too", []said{{acked, 100}, {opened, 99}}, "", 99},
		{"waiting for schema, too", []said{{waiting, 100}, {opened, 99}}, "", 99},
		{"even backwards", []said{{health, 100}, {health, 40}, {opened, 50}}, opened, 50},
		{"a health check after a state sets nothing", []said{{opened, 10}, {health, 100}, {stopped, 20}}, stopped, 20},
		{"error is not left for stopped", []said{{failed, 10}, {stopped, 20}}, failed, 10},
		{"nor for closed", []said{{failed, 10}, {closed, 20}}, failed, 10},
		{"error is left for opened", []said{{failed, 10}, {opened, 20}}, opened, 20},
		{"error is left for started", []said{{failed, 10}, {started, 20}}, started, 20},
		{"but not for an older one", []said{{failed, 10}, {started, 9}}, failed, 10},
		{"a typed failure's last words", []said{{started, 10}, {failed, 20}, {stopped, 21}, {closed, 22}}, failed, 20},
		{"closed is left for opened", []said{{closed, 10}, {opened, 20}}, opened, 20},
		{"a whole life", []said{{opened, 1}, {health, 2}, {started, 3}, {health, 4}, {stopped, 5}, {closed, 6}}, closed, 6},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := testPeers()
			for _, s := range test.said {
				p.apply(status("a", s.kind, s.at), theirs, live, noon)
			}
			if got := p.all[0]; got.State != test.state || got.Changed != test.changed {
				t.Errorf("%q since %d, want %q since %d", got.State, got.Changed, test.state, test.changed)
			}
		})
	}
}

func TestPeersAreTold(t *testing.T) {
	p := testPeers()
	for i, step := range []struct {
		status  *messages.Status
		history bool
		told    bool
	}{
		{status("a", opened, 10), true, false},  // history raises no events
		{status("a", health, 11), false, true},  // heard live for the first time
		{status("a", started, 12), false, true}, // another state
		{status("a", health, 12), false, false},
		{status("a", stopped, 12), true, false},
		{status("a", stopped, 12), false, true}, // history came first; it was not told yet
		{status("a", started, 13), false, true},
		{status("a", started, 13), false, false}, // the same
		{status("b", health, 1), false, true},    // new, not initialised
		{status("b", opened, 2), false, true},
		{status("me", opened, 2), false, false}, // oneself
	} {
		if n := p.apply(step.status, theirs, how(step.history), noon); n.changed != step.told {
			t.Errorf("step %d: told %v", i, n.changed)
		}
	}
	if len(p.all) != 2 {
		t.Errorf("%d peers, want 2: never one for oneself", len(p.all))
	}
}

func TestPeerIsHealthyWhileItsLastLiveMessageIsYoungerThanTheTimeout(t *testing.T) {
	p := testPeers()
	p.apply(status("a", health, 5), theirs, live, noon)
	for _, test := range []struct {
		at      time.Duration
		healthy bool
	}{{0, true}, {120*sec - 1, true}, {120 * sec, false}, {time.Hour, false}} {
		if got := p.snapshot(after(test.at)).All[0].Healthy; got != test.healthy {
			t.Errorf("after %s: healthy %v", test.at, got)
		}
	}
}

// A peer's clock is judged by nothing: liveness is by receipt, and the skew is shown.
func TestClocksOfPeersMayBeWrongByHours(t *testing.T) {
	p := testPeers()
	p.apply(status("ahead", opened, after(5*time.Hour).UnixMilli()), theirs, live, noon)
	p.apply(status("behind", opened, after(-7*time.Hour).UnixMilli()), theirs, live, noon)
	for i, want := range []time.Duration{5 * time.Hour, -7 * time.Hour} {
		if got := p.snapshot(noon).All[i]; !got.Healthy || got.Skew != want {
			t.Errorf("%s: healthy %v, skew %s, want %s", got.Name, got.Healthy, got.Skew, want)
		}
	}
}

// What is replayed arrived long ago: its age is that of the message, and it never makes a peer alive.
func TestHistoryRevivesNobody(t *testing.T) {
	for _, test := range []struct {
		name    string
		said    time.Duration // ago
		healthy bool
	}{{"a week ago", 7 * 24 * time.Hour, false}, {"two minutes ago", 120 * sec, false}, {"just now", sec, true}, {"in the future", -time.Hour, true}} {
		t.Run(test.name, func(t *testing.T) {
			p := testPeers()
			p.listen(noon)
			p.apply(status("dead", started, after(-test.said).UnixMilli()), theirs, replayed, noon)
			if got := p.snapshot(noon).All[0]; got.Healthy != test.healthy || got.State != started || got.Heard || got.LastSeen.After(noon) {
				t.Errorf("%+v", got)
			}
			if n, _ := p.are(messages.PeersAlive, noon); n != 0 {
				t.Error("it counts as alive")
			}
			if p.snapshot(after(120 * sec)).All[0].Healthy {
				t.Error("it stays healthy")
			}
		})
	}
}

func TestAliveIsHealthyAndNeitherStoppedNorClosedNorFailed(t *testing.T) {
	p := testPeers()
	for i, kind := range []messages.Kind{opened, started, health, stopped, closed, failed} {
		p.apply(status(fmt.Sprint(i), kind, 10), theirs, live, noon)
	}
	if got, _ := p.are(messages.PeersAlive, noon); got != 3 {
		t.Errorf("%d are alive, want 3: opened, started, and the one that said no state yet", got)
	}
	if got, _ := p.are(messages.PeersAlive, after(121*sec)); got != 0 {
		t.Errorf("%d are alive after the time-out", got)
	}
}

func TestPeerThatKeepsTheStreamsFromBeingDeleted(t *testing.T) {
	for _, test := range []struct {
		name    string
		kind    messages.Kind
		history bool
		after   time.Duration // since its message, and since the endpoint listens
		open    bool
	}{
		{"opened", opened, false, 0, true},
		{"not initialised", health, false, 0, true},
		{"stopped is not closed", stopped, false, 0, true},
		{"failed is not closed", failed, false, 0, true},
		{"closed", closed, false, 0, false},
		{"unhealthy", started, false, 120 * sec, false},
		{"from history, not listened long enough", started, true, 5 * sec, true},
		{"from history, unheard for three health intervals", started, true, 6 * sec, false},
		{"closed, from history", closed, true, 0, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := testPeers()
			p.listen(noon)
			p.apply(status("a", test.kind, 10), theirs, how(test.history), noon)
			name, open := p.open(after(test.after))
			if open != test.open || open && name != "C@a" {
				t.Errorf("open %v, %q", open, name)
			}
		})
	}
}

func TestPeersAreForgottenWhenUnhealthyForTenTimeouts(t *testing.T) {
	for _, test := range []struct {
		name    string
		history bool
		last    time.Duration // after which they are still known
	}{
		{"heard live: healthy for one time-out first", false, 11 * DefaultPeerTimeout},
		{"from history: never healthy", true, 10 * DefaultPeerTimeout},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := testPeers()
			p.apply(status("a", started, 10), theirs, how(test.history), noon)
			if p.forget(after(test.last)); len(p.all) != 1 {
				t.Error("forgotten too early")
			}
			if p.forget(after(test.last + 1)); len(p.all) != 0 {
				t.Error("never forgotten")
			}
		})
	}
}

func TestPeersAreBounded(t *testing.T) {
	p := testPeers()
	for i := range 100_000 {
		p.apply(status(fmt.Sprint(i), opened, 10), theirs, live, noon)
	}
	if len(p.all) != maxPeers {
		t.Fatalf("%d peers", len(p.all))
	}
	if p.apply(status("late", opened, 10), theirs, live, noon).peer != nil {
		t.Error("one too many was told")
	}
	p.apply(status("77", closed, 11), theirs, live, noon)
	i := slices.IndexFunc(p.all, func(q peer) bool { return q.Name == "C@77" })
	if p.all[i].State != closed {
		t.Error("a known peer is not heard any more")
	}
	if !slices.IsSortedFunc(p.all, func(a, b peer) int { return strings.Compare(a.Name, b.Name) }) {
		t.Error("not sorted")
	}
	if p.apply(status("late", opened, 12), theirs, live, after(12*DefaultPeerTimeout)).peer == nil {
		t.Error("the dead still take the room of the living")
	}
}

func TestRecordCountsOfPeers(t *testing.T) {
	for name, test := range map[string]struct {
		value any
		want  uint64
	}{
		"a number": {json.Number("42"), 42}, "negative": {json.Number("-1"), 0}, "a float": {json.Number("1.5"), 0},
		"text": {"42", 0}, "null": {nil, 0}, "beyond uint64": {json.Number("99999999999999999999"), 0},
	} {
		t.Run(name, func(t *testing.T) {
			p := testPeers()
			s := status("a", health, 10)
			s.Payload = messages.Payload{{Key: messages.SentRecordCount, Value: test.value}}
			p.apply(s, theirs, live, noon)
			if got := p.all[0].Records; got != test.want {
				t.Errorf("%d, want %d", got, test.want)
			}
		})
	}
}
