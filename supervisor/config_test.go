package supervisor

import (
	"testing"

	"github.com/d2e2d648/weir/broker"
)

// Compat leaves the queue's arguments to pypz, which has none, whatever else is asked for.
func TestCompatDeclaresAQueueWithoutArguments(t *testing.T) {
	for _, ordered := range []bool{false, true} {
		c := Config{Channel: "C", Compat: true, Ordered: ordered}
		if r := c.derive(); r.QueueOptions != (broker.QueueOptions{}) || r.Dead != "" {
			t.Errorf("ordered %v: %+v, dead letters to %q", ordered, r.QueueOptions, r.Dead)
		}
	}
}

// The status streams are bounded, or they would grow for ever; with Compat they are what pypz declares, a stream and nothing else.
func TestStatusStreamsAreBoundedUnlessCompat(t *testing.T) {
	for _, test := range []struct {
		config Config
		want   broker.QueueOptions
		name   string
	}{
		{Config{Channel: "C"}, broker.QueueOptions{Type: broker.Stream, MaxAge: statusAge, MaxBytes: statusBytes, SegmentBytes: statusSegment}, "C.writer.status"},
		{Config{Channel: "C", Ordered: true, FanOut: true, GroupSize: 2}, broker.QueueOptions{Type: broker.Stream, MaxAge: statusAge, MaxBytes: statusBytes, SegmentBytes: statusSegment}, "C.writer.status"},
		{Config{Channel: "C", Compat: true}, broker.QueueOptions{Type: broker.Stream}, "C.writer.status"},
		{Config{Channel: "C", Compat: true, NoStatus: true}, broker.QueueOptions{}, ""},
	} {
		if r := test.config.derive(); r.StatusOptions != test.want || r.WriterStatus != test.name {
			t.Errorf("%+v: %+v on %q", test.config, r.StatusOptions, r.WriterStatus)
		}
	}
}

// What is kept is enough for a newcomer to know everybody: whole segments are dropped, never the one that is written, so a stream keeps at least MaxBytes less one segment. At the rate
// that peers can follow, 50 statuses a second of 1 KiB, that must be more than a peer's time-out.
func TestStatusStreamsKeepEnough(t *testing.T) {
	if kept := statusBytes - statusSegment; kept/(50<<10) < int(DefaultPeerTimeout.Seconds()) || statusSegment > statusBytes/2 || statusAge < 2*DefaultPeerTimeout {
		t.Errorf("%d bytes are kept, or %s", kept, statusAge)
	}
}
