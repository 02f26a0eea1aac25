package main

import (
	"fmt"
	"strings"
	"sync"
	"time"
)

// happening is a sort of entry of a timeline.
type happening string

const (
	hapOpen      happening = "open"      // the flow begins
	hapBegins    happening = "begins"    // a fault strikes
	hapDetected  happening = "detected"  // the first that the channel notices of it
	hapFailed    happening = "failed"    // a child that was fine has failed
	hapReplaced  happening = "replaced"  // its next incarnation is ready
	hapRecovered happening = "recovered" // a record got through that was attempted after the strike
	hapEnds      happening = "ends"      // the fault is over
	hapNotice    happening = "notice"    // alarms, confirms that stall, goroutines given up
	hapBroken    happening = "broken"    // the channel failed, or a fault could not be brought about
	hapHealed    happening = "healed"    // a fresh record of each writer got through at the end
)

// entry is one line of a timeline.
type entry struct {
	// At is in milliseconds since the first record.
	At   float64   `json:"at_ms"`
	What happening `json:"what"`
	// Fault is the number of the fault that it belongs to, from 1; 0: none.
	Fault int `json:"fault,omitempty"`
	// Who is an endpoint and its child; Epoch is the child's incarnation.
	Who   string `json:"who,omitempty"`
	Epoch uint64 `json:"epoch,omitempty"`
	Text  string `json:"text"`
	// Error is the sort of a failure's cause: unavailable, not found, refused, …
	Error string `json:"error,omitempty"`
}

// timeline keeps what happens, and has it said by a goroutine of its own: whoever adds to it never waits for a terminal. Safe for concurrent use.
type timeline struct {
	mu   sync.Mutex
	all  []entry
	over bool
	more *sync.Cond
	said sync.WaitGroup
}

func newTimeline(say func(entry)) *timeline {
	t := &timeline{}
	t.more = sync.NewCond(&t.mu)
	t.said.Go(func() {
		for next := 0; ; next++ {
			e, ok := t.await(next)
			if !ok {
				return
			}
			say(e)
		}
	})
	return t
}

func (t *timeline) await(i int) (entry, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i >= len(t.all) {
		if t.over {
			return entry{}, false
		}
		t.more.Wait()
	}
	return t.all[i], true
}

func (t *timeline) add(at time.Duration, e entry) {
	e.At = milliseconds(at)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.all = append(t.all, e)
	t.more.Signal()
}

// end waits until all is said, and gives it.
func (t *timeline) end() []entry {
	t.mu.Lock()
	t.over = true
	t.more.Signal()
	t.mu.Unlock()
	t.said.Wait()
	return t.all
}

// subject says whose entry it is.
func (e *entry) subject() string {
	text := e.Who
	if e.Epoch > 0 {
		text += fmt.Sprintf(" #%d", e.Epoch)
	}
	return text
}

// sentence is the entry without its time and sort.
func (e *entry) sentence() string {
	if who := e.subject(); who != "" {
		return who + ": " + e.Text
	}
	return e.Text
}

// brief is the sentence where the one before says the same at length.
func (e *entry) brief() string {
	if e.What == hapFailed && e.Error != "" && e.Error != sortOther {
		return e.subject() + ": " + e.Error
	}
	return e.sentence()
}

// head is the part of a line before the sentence.
func (e *entry) head() (time, number, what string) {
	if e.Fault > 0 {
		number = fmt.Sprintf("[%d]", e.Fault)
	}
	return fmt.Sprintf("%8.3f s", e.At/1e3), fmt.Sprintf("%-4s", number), fmt.Sprintf("%-9s", e.What)
}

// headWidth is how long it is, with the spaces between.
const headWidth = 27

// line gives the entry for a terminal of that width, in colours if there are any.
func (e *entry) line(width int, look styles) string {
	at, number, what := e.head()
	style := look.strong
	switch classOf(e.What) {
	case "wait":
		style = look.wait
	case "bad":
		style = look.bad
	case "good":
		style = look.good
	}
	text := wrapped(e.brief(), max(width-headWidth, 20), strings.Repeat(" ", headWidth))
	return look.dim.Render(at) + "  " + number + " " + style.Render(what) + " " + text
}
