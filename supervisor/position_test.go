package supervisor

import (
	"errors"
	"testing"
	"time"
)

// A stream's new leader does not know its end at once, so one that has become shorter is not another yet. What is read from its beginning too soon is read twice.
func TestAStreamThatIsShorterForAMoment(t *testing.T) {
	var at time.Time
	p := &position{}
	opens := func(after time.Duration, next uint64, want error) {
		t.Helper()
		at = at.Add(after)
		if err := p.opened(next, at); !errors.Is(err, want) || err == nil != (want == nil) {
			t.Fatalf("at %d: %v, want %v", next, err, want)
		}
	}
	opens(0, 5, nil)
	p.committed(place{offset: 9})
	opens(time.Second, 3, errStreamShort)
	opens(shortFor-time.Second, 8, errStreamShort)
	opens(time.Second/2, 9, nil) // the leader knows it now
	opens(time.Hour, 3, errStreamShort)
	opens(shortFor, 3, errStreamAnew)
	opens(0, 0, nil)
	opens(time.Second, 4, nil)
	p = &position{}
	opens(0, 5, nil) // nothing of it is committed, so nothing will tell another
	opens(time.Second, 3, errStreamAnew)
}
