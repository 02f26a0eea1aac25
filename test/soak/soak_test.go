package soak

import (
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func embeddedRun(t *testing.T) *Run {
	t.Helper()
	r := &Run{Broker: Embedded(), Report: &Report{}, Say: t.Logf}
	t.Cleanup(func() {
		if err := r.Broker.Close(); err != nil {
			t.Error(err)
		}
		for _, bad := range r.Report.Bad() {
			t.Error(bad)
		}
		t.Log("\n" + r.Report.Markdown())
	})
	return r
}

// A thousand restarts leave nothing behind, once two thousand have warmed up what is kept.
func TestRestartsLeaveNothing(t *testing.T) {
	if err := embeddedRun(t).Restarts(t.Context(), 2000, 1000, 2*time.Minute); err != nil {
		t.Fatal(err)
	}
}

// While the broker is gone nothing gathers, and then everything is delivered.
func TestOutageGathersNothing(t *testing.T) {
	if err := embeddedRun(t).Outage(t.Context(), 5*time.Second); err != nil {
		t.Fatal(err)
	}
}
