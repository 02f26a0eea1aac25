package supervisor

import (
	"testing"
	"time"
)

const sec = time.Second

// An outage of a child that fails at once whenever it starts: the longest delays double from 10 ms to 2 s, and 60 s after the first
// failure the window has run out.
func TestBackOffDoublesFromTenMillisecondsToTwoSeconds(t *testing.T) {
	g := grace{window: DefaultGraceWindow}
	now := noon
	for _, want := range []time.Duration{10, 20, 40, 80, 160, 320, 640, 1280, 2000, 2000, 2000} {
		delay, ranOut := g.failed(now, 0)
		if delay != want*time.Millisecond || ranOut {
			t.Fatalf("failure %d: %s, %v; want %d ms", g.failures, delay, ranOut, want)
		}
		now = now.Add(delay)
	}
	g.window = Forever
	for g.failures < 100 {
		if delay, ranOut := g.failed(now, 0); delay != backOffMost || ranOut {
			t.Fatalf("failure %d: %s, %v", g.failures, delay, ranOut)
		}
	}
}

func TestGraceWindow(t *testing.T) {
	type step struct {
		at     time.Duration
		what   byte // f: failed, r: ready, p: proved
		ranOut bool
		used   time.Duration
	}
	for _, test := range []struct {
		name   string
		window time.Duration
		steps  []step
	}{
		{"runs out 60 s after it was opened", 60 * sec, []step{
			{0, 'f', false, 0}, {30 * sec, 'f', false, 30 * sec}, {60*sec - 1, 'f', false, 60*sec - 1}, {60 * sec, 'f', true, 60 * sec}}},
		{"ready stops the clock", 60 * sec, []step{
			{0, 'f', false, 0}, {50 * sec, 'r', false, 50 * sec}, {55 * sec, 'f', false, 50 * sec}, {64 * sec, 'f', false, 59 * sec}, {65 * sec, 'f', true, 60 * sec}}},
		{"ready twice adds nothing", 60 * sec, []step{
			{0, 'f', false, 0}, {10 * sec, 'r', false, 10 * sec}, {20 * sec, 'r', false, 10 * sec}}},
		{"a proof closes it", 60 * sec, []step{
			{0, 'f', false, 0}, {59 * sec, 'r', false, 59 * sec}, {59 * sec, 'p', false, 0}, {61 * sec, 'f', false, 0}, {120 * sec, 'f', false, 59 * sec}, {121 * sec, 'f', true, 60 * sec}}},
		{"a proof without a failure is none", 60 * sec, []step{{0, 'r', false, 0}, {1, 'p', false, 0}, {90 * sec, 'f', false, 0}}},
		{"two blips an hour apart are two", 60 * sec, []step{
			{0, 'f', false, 0}, {sec, 'r', false, sec}, {11 * sec, 'p', false, 0}, {time.Hour, 'f', false, 0}, {time.Hour + sec, 'r', false, sec}}},
		{"forever", Forever, []step{{0, 'f', false, 0}, {1000 * time.Hour, 'f', false, 1000 * time.Hour}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			g := grace{window: test.window}
			for i, s := range test.steps {
				ranOut := false
				switch s.what {
				case 'f':
					_, ranOut = g.failed(after(s.at), 0)
				case 'r':
					g.ready(after(s.at))
				case 'p':
					g.proved()
				}
				if used := g.total(after(s.at)); ranOut != s.ranOut || used != s.used {
					t.Fatalf("step %d: ran out %v, used %s; want %v, %s", i, ranOut, used, s.ranOut, s.used)
				}
			}
		})
	}
}

func TestProofResetsTheBackOff(t *testing.T) {
	g := grace{window: DefaultGraceWindow}
	for range 9 {
		g.failed(noon, 0)
	}
	g.ready(noon)
	g.proved()
	if delay, _ := g.failed(after(sec), 0); delay != backOffFirst || g.failures != 1 || !g.opened.Equal(after(sec)) {
		t.Errorf("delay %s, failures %d, opened %s", delay, g.failures, g.opened)
	}
}

// A child that proves itself and fails at once, again and again, is replaced quickly ten times, and ever more slowly then, until one lives for two seconds.
func TestBriefLivesLengthenTheBackOff(t *testing.T) {
	g := grace{window: DefaultGraceWindow}
	want := func(lived, delay time.Duration) {
		t.Helper()
		got, ranOut := g.failed(noon, lived)
		if got != delay || ranOut {
			t.Fatalf("after %d brief lives: %s, %v; want %s", g.brief, got, ranOut, delay)
		}
		g.proved()
	}
	for range briefLives {
		want(0, backOffFirst)
	}
	for _, delay := range []time.Duration{20, 40, 80, 100, 100} {
		want(briefLife-1, delay*time.Millisecond)
	}
	want(briefLife, backOffFirst)
	want(0, backOffFirst)
}
