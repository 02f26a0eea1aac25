package main

import (
	"testing"
	"time"

	"github.com/d2e2d648/weir/messages"
)

func TestCrashSpecsAreRead(t *testing.T) {
	var s crashSpec
	if err := s.UnmarshalText([]byte("status-producer=goexit@1.5s")); err != nil || s != (crashSpec{messages.StatusProducer, crashGoexit, 1500 * time.Millisecond}) {
		t.Errorf("%+v, %v", s, err)
	}
	for _, wrong := range []string{"", "data-consumer", "data-consumer=panic", "data-consumer@1s", "=panic@1s", "data-consumer=@1s", "data-consumer=panic@", "data-consumer=panic@-1s", "data-consumer=panic@x"} {
		if err := s.UnmarshalText([]byte(wrong)); err == nil {
			t.Errorf("%q was taken", wrong)
		}
	}
}

func TestCrashWaitsForTimeAndRecordsAndKeepsItsLimit(t *testing.T) {
	delivered := uint64(0)
	in := newInjector([]crashSpec{{messages.DataConsumer, crashPanic, time.Nanosecond}, {messages.HealthTicker, crashHang, time.Hour}}, 2, func() uint64 { return delivered })
	strikes := func(child messages.Child) bool {
		_, strike := in.due(child)
		return strike
	}
	if delivered = 100; strikes(messages.DataConsumer) {
		t.Error("it strikes before it was started")
	}
	in.start()
	for _, c := range []struct {
		delivered uint64
		want      bool
	}{{99, false}, {100, true}, {199, false}, {200, true}, {1000, false}} {
		if delivered = c.delivered; strikes(messages.DataConsumer) != c.want {
			t.Errorf("with %d delivered: strikes is %v", c.delivered, !c.want)
		}
	}
	if strikes(messages.HealthTicker) || strikes(messages.DataProducer) {
		t.Error("it strikes too early, or at an actor that is not to crash")
	}
	if !in.owed() {
		t.Error("the health ticker's strikes are still owed")
	}
	in.stop()
	if in.owed() {
		t.Error("nothing is owed when it is over")
	}
}

func TestChildIsReadFromAnActorsID(t *testing.T) {
	for id, want := range map[string]messages.Child{"weir/a-b/reader/3/data-consumer-7": messages.DataConsumer, "weir/a-b/reader/3": "", "x/health-ticker-12": messages.HealthTicker} {
		if got := childOf(id); got != want {
			t.Errorf("%s: %q", id, got)
		}
	}
}
