package supervisor

import (
	"strings"
	"testing"
	"time"

	"github.com/d2e2d648/weir/actors"
	"github.com/d2e2d648/weir/messages"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func after(d time.Duration) time.Time { return noon.Add(d) }

// pushed fills an outbox: O, S, X (Stopped), C (Closed), E (Error), h (a health check), W (WaitingForSchema), A (Acknowledged).
func pushed(o *outbox, kinds string) {
	for _, k := range kinds {
		o.push(messages.Status{Kind: map[rune]messages.Kind{'O': messages.StatusOpened, 'S': messages.StatusStarted, 'X': messages.StatusStopped,
			'C': messages.StatusClosed, 'E': messages.StatusError, 'h': messages.StatusHealthCheck,
			'W': messages.StatusWaitingForSchema, 'A': messages.StatusAcknowledged}[k]}, noon)
	}
}

func letters(entries []outgoing) string {
	var s strings.Builder
	for _, e := range entries {
		if e.status.Kind == messages.StatusHealthCheck {
			s.WriteString("h")
			continue
		}
		s.WriteString(map[messages.Kind]string{messages.StatusOpened: "O", messages.StatusStarted: "S", messages.StatusStopped: "X",
			messages.StatusClosed: "C", messages.StatusError: "E", messages.StatusWaitingForSchema: "W", messages.StatusAcknowledged: "A"}[e.status.Kind])
	}
	return s.String()
}

// takeAll sends everything, as to a new status producer.
func takeAll(o *outbox) (sent []uint64) {
	for e := o.take(); e != nil; e = o.take() {
		sent = append(sent, e.seq)
	}
	return sent
}

func TestTimestampsOfOneEndpointRise(t *testing.T) {
	o := outbox{}
	var stamps []int64
	for _, now := range []time.Time{noon, noon, after(-time.Hour), after(time.Millisecond), after(time.Second), after(time.Second)} {
		o.push(messages.Status{Kind: messages.StatusOpened}, now)
		stamps = append(stamps, o.entries[len(o.entries)-1].status.Timestamp)
	}
	for i := 1; i < len(stamps); i++ {
		if stamps[i] <= stamps[i-1] {
			t.Errorf("stamp %d after %d", stamps[i], stamps[i-1])
		}
	}
	if stamps[4] != after(time.Second).UnixMilli() {
		t.Errorf("stamp %d is not the clock's", stamps[4])
	}
}

func TestHealthChecksThatWereNotSentAreReplaced(t *testing.T) {
	o := outbox{}
	pushed(&o, "OhShhh")
	if got := letters(o.entries); got != "OhSh" {
		t.Errorf("%s, want OhSh: a health check is replaced by the newer one right behind it, and by no other", got)
	}
	takeAll(&o)
	pushed(&o, "hh")
	if got := letters(o.entries); got != "OhShh" {
		t.Errorf("%s, want OhShh: what was sent is not replaced", got)
	}
}

func TestOutboxDoesNotGrowThroughALongOutage(t *testing.T) {
	o := outbox{}
	pushed(&o, "OhS")
	for range 1000 { // incarnations that send and die unconfirmed
		pushed(&o, strings.Repeat("h", 50))
		takeAll(&o)
		o.rewind()
	}
	if got := letters(o.entries); got != "OhSh" {
		t.Errorf("%s is left, want OhSh", got)
	}
}

// An endpoint that waits for its schema says so with each health check: that must not add up either.
func TestOutboxDoesNotGrowWhileASchemaIsWaitedFor(t *testing.T) {
	o := outbox{}
	pushed(&o, "OhWS")
	for range 1000 {
		pushed(&o, strings.Repeat("hW", 50))
		takeAll(&o)
		o.rewind()
	}
	if n := len(o.entries); n > 8 {
		t.Errorf("%d are left: %.40s…", n, letters(o.entries))
	}
	if got := letters(o.entries); !strings.HasPrefix(got, "O") || !strings.Contains(got, "S") || !strings.Contains(got, "h") || !strings.Contains(got, "W") {
		t.Errorf("%.40s is left", got)
	}
}

func TestWhatAStatusProducerLeavesBehindIsSentAgainInOrder(t *testing.T) {
	o := outbox{}
	pushed(&o, "OhSXC")
	takeAll(&o)
	o.confirmed(2, 3) // out of order
	o.rewind()
	if got := takeAll(&o); len(got) != 3 || got[0] != 1 || got[1] != 4 || got[2] != 5 {
		t.Errorf("sent again %v, want 1, 4, 5", got)
	}
	o.confirmed(1, 5)
	o.confirmed(1, 5) // of a dead incarnation
	if len(o.entries) != 0 {
		t.Errorf("%s is left", letters(o.entries))
	}
}

func TestStatusWindowIsKept(t *testing.T) {
	o := outbox{}
	pushed(&o, strings.Repeat("OX", actors.StatusWindow))
	if got := takeAll(&o); len(got) != actors.StatusWindow {
		t.Fatalf("%d are unconfirmed, the session allows %d", len(got), actors.StatusWindow)
	}
	o.confirmed(10, 12)
	if got := takeAll(&o); len(got) != 3 || got[0] != actors.StatusWindow+1 {
		t.Errorf("then sent %v", got)
	}
}
