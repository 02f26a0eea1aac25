package messages

import (
	"fmt"
	"testing"

	"github.com/d2e2d648/weir/broker"
)

func TestStatesAmongTheKinds(t *testing.T) {
	for kind, want := range map[Kind]bool{
		StatusOpened: true, StatusStarted: true, StatusStopped: true, StatusClosed: true, StatusError: true,
		StatusHealthCheck: false, StatusWaitingForSchema: false, StatusAcknowledged: false, "": false, "opened": false,
	} {
		if kind.IsState() != want {
			t.Errorf("%q.IsState() = %v", kind, !want)
		}
	}
}

func TestUniqueNameIsChannelAndContext(t *testing.T) {
	s := Status{Channel: "orders", Context: "shop"}
	if got := s.UniqueName(); got != "orders@shop" {
		t.Errorf("%q", got)
	}
}

func TestOutcomesAreNamed(t *testing.T) {
	for outcome, want := range map[Outcome]string{
		NotSent: "not sent", Unknown: "unknown", Unroutable: "unroutable", ConfirmedByBroker: "confirmed", 17: "invalid outcome",
	} {
		if got := fmt.Sprint(outcome); got != want {
			t.Errorf("outcome %d is %q, want %q", outcome, got, want)
		}
	}
	if (Outcome)(0) != NotSent {
		t.Error("the zero outcome must claim nothing: NotSent")
	}
}

func TestLastTagOfADelivery(t *testing.T) {
	d := Delivered{First: 7, Records: make([]broker.Record, 3)}
	if d.Last() != 9 {
		t.Errorf("%d", d.Last())
	}
}
