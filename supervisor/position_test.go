package supervisor

import (
	"errors"
	"testing"
	"time"

	"github.com/d2e2d648/weir/messages"
)

// A stream's new leader does not know its end at once, so one that has become shorter is not another yet. What is read from its beginning too soon is read twice.
func TestAStreamThatIsShorterForAMoment(t *testing.T) {
	var at time.Time
	p := &position{}
	opens := func(after time.Duration, end uint64, want error) {
		t.Helper()
		at = at.Add(after)
		if err := p.opened(&messages.Ready{Next: min(end, max(5, p.again())), End: end}, at); !errors.Is(err, want) || err == nil != (want == nil) {
			t.Fatalf("with the end at %d: %v, want %v", end, err, want)
		}
	}
	opens(0, 5, nil)
	p.committed(place{offset: 9})
	opens(time.Second, 3, errStreamShort)
	opens(shortFor-time.Second, 9, errStreamShort) // what was committed last is not there
	opens(time.Second/2, 10, nil)                  // the leader knows it now
	opens(time.Hour, 3, errStreamShort)
	opens(shortFor, 3, errStreamAnew)
	opens(0, 0, nil)
	opens(time.Second, 4, nil)
	p = &position{}
	opens(0, 5, nil) // nothing of it is committed, so nothing will tell another
	opens(time.Second, 3, errStreamAnew)
}

// What is stored goes with its stream, so a stream that was made anew to the same length, and has the same records, is told from the old one. What others have stored before the reader's start tells nothing.
func TestAStreamIsKnownByWhatIsStored(t *testing.T) {
	for name, test := range map[string]struct {
		start, first, again uint64
		want                error
	}{
		"the start is stored":          {5, 5, 5, nil},
		"a commit is stored":           {5, 5, 9, nil},
		"nothing is stored any more":   {5, 5, 0, errStreamAnew},
		"nothing could be stored":      {5, 0, 0, nil},
		"nothing is before the start":  {0, 0, 0, nil},
		"something older is cut off":   {5, 3, 0, nil},
		"an older life's is there yet": {5, 3, 3, nil},
	} {
		p := &position{}
		if err := p.opened(&messages.Ready{Next: test.start, End: 9, Stored: test.first}, time.Time{}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := p.opened(&messages.Ready{Next: test.start, End: 9, Stored: test.again}, time.Time{}); !errors.Is(err, test.want) || err == nil != (test.want == nil) {
			t.Errorf("%s: %v, want %v", name, err, test.want)
		}
		if from, _ := p.from(&Stream{}); test.want != nil && from.Offset != 0 {
			t.Errorf("%s: goes on at %d", name, from.Offset)
		}
	}
	p := &position{}
	for at, stored := range []uint64{0, 0, 2, 2, 0} { // it began at the beginning, and its commit was stored
		err := p.opened(&messages.Ready{Next: p.again(), End: 9, Stored: stored}, time.Time{})
		if at == 1 {
			p.committed(place{offset: 1})
		}
		if gone := at == 4; errors.Is(err, errStreamAnew) != gone {
			t.Errorf("opening %d: %v", at, err)
		}
	}
}
