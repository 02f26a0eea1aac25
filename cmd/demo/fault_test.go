package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/d2e2d648/weir/messages"
)

func TestFaultsAreRead(t *testing.T) {
	for text, want := range map[string]string{
		"cut":                           "cut",
		"cut@3s":                        "cut@3s",
		"freeze@3s:2s":                  "freeze@3s:2s",
		"freeze":                        "freeze:5s",
		"crash@2s:data-producer=goexit": "crash@2s:data-producer=goexit",
		"crash":                         "crash:data-consumer=panic",
		"latency@1s:2s,80ms":            "latency@1s:2s,80ms",
		"latency:2s":                    "latency:2s,50ms",
		"latency:,80ms":                 "latency:3s,80ms",
		"throttle@0s:1s,9000":           "throttle@0s:1s,9000",
		"end-session:publisher":         "end-session:publisher",
		"lose-confirms@1500ms:3":        "lose-confirms@1.5s:3",
	} {
		var f fault
		if err := f.UnmarshalText([]byte(text)); err != nil || f.String() != want {
			t.Errorf("%s: %q, %v; want %q", text, f.String(), err, want)
		}
		var again fault
		if err := again.UnmarshalText([]byte(f.String())); err != nil || again.String() != f.String() {
			t.Errorf("%s is not read as it is written: %v", &f, err)
		}
	}
}

func TestWrongFaultsSayWhatIsExpected(t *testing.T) {
	for text, want := range map[string]string{
		"freez":                 "there is no fault \"freez\"; the nearest are freeze",
		"delete":                "delete-queue",
		"cut@soon":              "\"soon\" is not when it begins",
		"cut@-1s":               "is not when it begins",
		"cut:1s":                "it takes no argument; cut takes no argument",
		"freeze:often":          "\"often\" is not a length above 0; freeze takes LENGTH (default 5s)",
		"freeze:0s":             "is not a length above 0",
		"freeze:2s,3s":          "\"3s\" is too much",
		"latency:1s,0s":         "\"0s\" is not a delay above 0; latency takes LENGTH (default 3s),DELAY (default 50ms)",
		"throttle:1s,-4":        "\"-4\" is not a number above 0",
		"crash:data-consumer":   "does not say who and how; crash takes ACTOR=panic|error|goexit|hang (default data-consumer=panic)",
		"crash:cook=panic":      "there is no actor \"cook\"",
		"crash:topology=panic":  "there is no actor",
		"end-session:everybody": "\"everybody\" is neither publisher nor consumer",
	} {
		var f fault
		if err := f.UnmarshalText([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", text, err, want)
		}
	}
}

func TestNearestNames(t *testing.T) {
	for name, want := range map[string]string{"alarms": "alarm", "blackhole": "black-hole", "kil": "kill", "delete-qeue": "delete-queue"} {
		if got := nearest(name, faultNames()); got[0] != want {
			t.Errorf("%s: %v, want %s first", name, got, want)
		}
	}
	if n := edits("kitten", "sitting"); n != 3 {
		t.Errorf("from kitten to sitting it takes 3 edits, not %d", n)
	}
}

// written is a scenario in words.
func (s scenario) written() string {
	var all []string
	for _, f := range s.faults {
		all = append(all, f.String())
	}
	return strings.Join(all, " ")
}

func TestASeedDrawsTheSameAndOnlyWhatIsPossible(t *testing.T) {
	seen := map[string]map[string]bool{}
	for _, v := range []venue{onEmbedded, onPrivate, onOwn} {
		for _, plane := range []string{planeQueue, planeStream} {
			for seed := range uint64(150) {
				s := draw(seed, nil, 10*time.Second, v, plane)
				if again := draw(seed, nil, 10*time.Second, v, plane); s.written() != again.written() || len(s.faults) != drawnFaults {
					t.Fatalf("seed %d draws %s, then %s", seed, s.written(), again.written())
				}
				for i, f := range s.faults {
					if !f.kind.possible(v, plane) || !f.kind.drawn || f.at < earliest || f.crash.Kind == crashHang {
						t.Errorf("seed %d, %s, %s: %s", seed, v, plane, f)
					}
					if i > 0 && f.at < s.faults[i-1].at+s.faults[i-1].length {
						t.Errorf("seed %d: %s begins before the one before is over", seed, s.written())
					}
					var read fault
					if err := read.UnmarshalText([]byte(f.String())); err != nil {
						t.Errorf("seed %d draws what cannot be said: %v", seed, err)
					}
					if seen[string(v)] == nil {
						seen[string(v)] = map[string]bool{}
					}
					seen[string(v)][f.kind.name] = true
				}
			}
		}
	}
	for _, k := range faultKinds() {
		for _, v := range k.venues {
			if k.drawn != seen[string(v)][k.name] {
				t.Errorf("%s on %s: drawn is %v in 300 seeds", k.name, v, seen[string(v)][k.name])
			}
		}
	}
}

func TestASeedDrawsTimesThatAreNotSaid(t *testing.T) {
	given := []fault{{kind: kindOf("cut"), at: -1}, {kind: kindOf("freeze"), at: 2 * time.Second, length: time.Second}}
	a, b := draw(1, given, 10*time.Second, onEmbedded, planeQueue), draw(2, given, 10*time.Second, onEmbedded, planeQueue)
	if a.written() == b.written() || !strings.Contains(a.written(), "freeze@2s:1s") || !strings.Contains(b.written(), "freeze@2s:1s") {
		t.Errorf("%s; %s", a.written(), b.written())
	}
	for _, s := range []scenario{a, b} {
		if !slices.IsSortedFunc(s.faults, func(a, b *fault) int { return int(a.at - b.at) }) || s.faults[0].at < earliest {
			t.Errorf("not in order: %s", s.written())
		}
	}
}

func TestTheListExplainsEveryFault(t *testing.T) {
	out, _ := command(t, exitFine, "", "experiment", "--list")
	for _, k := range faultKinds() {
		if !strings.Contains(out, "\n"+k.name+"\n  takes") && !strings.HasPrefix(out, k.name+"\n") || k.does == "" || k.see == "" || len(k.venues) == 0 {
			t.Errorf("%s is not explained", k.name)
		}
	}
	for _, line := range strings.Split(out, "\n") {
		if len(line) > 150 {
			t.Errorf("a line of %d characters: %s", len(line), line)
		}
	}
}

func TestTextIsWrappedAtWords(t *testing.T) {
	if got := wrapped("one two  three fourteen", 9, "  "); got != "one two\n  three\n  fourteen" {
		t.Errorf("%q", got)
	}
}

func TestAnArmedCrashStrikesOnce(t *testing.T) {
	in := newInjector(nil, 0, func() uint64 { return 0 })
	in.start()
	struck := 0
	in.arm(messages.DataConsumer, crashError, func() { struck++ })
	for range 3 {
		in.due(messages.HealthTicker)
		in.due(messages.DataConsumer)
	}
	if struck != 1 || in.strikes()[messages.DataConsumer][crashError] != 1 {
		t.Errorf("it struck %d times", struck)
	}
}
