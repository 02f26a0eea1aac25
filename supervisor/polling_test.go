package supervisor_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/d2e2d648/weir/messages"
	"github.com/d2e2d648/weir/supervisor"
)

func polls(timeout time.Duration) func(*supervisor.Config) {
	return func(c *supervisor.Config) { c.PollTimeout = timeout }
}

// A demand for which nothing comes is answered with an empty batch, which can be committed like any other. One without a time-out waits.
func TestDemandThatNothingComesForIsAnsweredEmpty(t *testing.T) {
	b, writer, reader := both(t, polls(100*time.Millisecond))
	asked := b.world.Now()
	empty := reader.demand(10)
	if m := await(b, empty, time.Second); m.Err != nil || len(m.Records) != 0 {
		t.Errorf("%+v", m)
	}
	if took := empty.at - asked; took < 100*time.Millisecond || took > 110*time.Millisecond {
		t.Errorf("answered after %s", took)
	}
	if m := await(b, reader.commit(empty.got), time.Second); m.Err != nil {
		t.Error(m.Err)
	}
	flows(writer, reader, "x")
	if s := reader.snapshot(); s.Records != 1 || s.Offsets.Current != 0 {
		t.Errorf("%+v", s)
	}
	waiting := b.reader(named("patient"))
	waiting.opened()
	demand := waiting.demand(1)
	b.world.RunFor(time.Hour)
	if demand.got != nil {
		t.Errorf("%+v", demand.got)
	}
}

// A time-out ends the demand that it is of, and no other.
func TestTimeoutEndsItsOwnDemand(t *testing.T) {
	b, writer, reader := both(t, polls(100*time.Millisecond))
	began := b.world.Now()
	var demands []*answer[messages.Batch]
	for range 4 {
		demands = append(demands, reader.demand(1))
		b.world.RunFor(20 * time.Millisecond)
	}
	written, _ := writer.write("x") // for the first
	await(b, written, time.Second)
	b.world.RunFor(time.Second)
	for i, want := range []int{1, 0, 0, 0} {
		d := demands[i]
		if d.got == nil || d.got.Err != nil || len(d.got.Records) != want {
			t.Fatalf("demand %d: %+v", i, d.got)
		}
		if due := time.Duration(i)*20*time.Millisecond + 100*time.Millisecond; i > 0 && (d.at-began < due || d.at-began > due+15*time.Millisecond) {
			t.Errorf("demand %d was answered at %s, want %s", i, d.at-began, due)
		}
	}
}

// Records that come just before or after the time-out are neither lost nor handed over twice, and stay in their order.
func TestRecordsAroundTheTimeout(t *testing.T) {
	const records = 20
	empty := 0
	for seed := range uint64(50) {
		b := seeded(t, seed)
		writer, reader := b.both(noStatus, polls(time.Millisecond))
		next := 0
		var demand func()
		demand = func() { // the next one at once, as a polling user does
			asked := b.world.Now()
			reader.send(&messages.Demand{Max: 3, Done: func(m *messages.Batch) {
				if m.Err != nil {
					return // closed
				}
				if len(m.Records) == 0 {
					empty++
					if took := b.world.Now() - asked; took < time.Millisecond {
						t.Errorf("seed %d: a demand was given up after %s", seed, took)
					}
				}
				for _, r := range m.Records {
					if string(r.Body) != fmt.Sprint(next) {
						t.Errorf("seed %d: record %s, want %d", seed, r.Body, next)
					}
					next++
				}
				demand()
			}})
		}
		demand()
		demand()
		for i := range records {
			writer.write(fmt.Sprint(i))
			b.world.RunFor(b.world.Jitter(3 * time.Millisecond))
		}
		b.world.RunFor(100 * time.Millisecond)
		if s := reader.snapshot(); next != records || s.Records != records || s.Waiting != 0 {
			t.Errorf("seed %d: %d records came, %d were handed over, %d wait", seed, next, s.Records, s.Waiting)
		}
	}
	if empty < 100 {
		t.Errorf("only %d time-outs", empty)
	}
}

// A demand that is refused is not answered again by its time-out.
func TestTimeoutOfARefusedDemand(t *testing.T) {
	for name, end := range map[string]func(*end){
		"stop":  func(e *end) { e.answered(e.stop(), nil) },
		"close": func(e *end) { e.close(time.Second) },
		"crash": func(e *end) {
			crash(e.bed, "reader", false)
			e.send(&messages.Inspect{})
		},
	} {
		t.Run(name, func(t *testing.T) {
			b, _, reader := both(t, polls(time.Second))
			demand := reader.demand(1)
			b.world.RunFor(500 * time.Millisecond)
			end(reader)
			if m := await(b, demand, 100*time.Millisecond); m.Err == nil {
				t.Errorf("%+v", m)
			}
			b.world.RunFor(5 * time.Second)
		})
	}
}

// A demand that waits for the channel to open is answered in its time, too.
func TestTimeoutWhileTheChannelIsNotOpen(t *testing.T) {
	b := newBed(t)
	reader := b.reader(joins, polls(100*time.Millisecond))
	if m := await(b, reader.demand(1), 110*time.Millisecond); m.Err != nil || len(m.Records) != 0 {
		t.Errorf("%+v", m)
	}
}

// An empty read is a cycle of the metrics: peers see a reader that polls in vain as one that works.
func TestEmptyReadsAreCycles(t *testing.T) {
	b, writer, reader := both(t, polls(50*time.Millisecond))
	b.world.RunFor(time.Second)
	for range 60 {
		await(b, reader.demand(1), time.Second)
	}
	payload := writer.snapshot().Peers.All[0].Payload
	number := func(key string) float64 {
		v, _ := payload.Get(key)
		n, ok := v.(json.Number)
		f, err := n.Float64()
		if !ok || err != nil {
			t.Fatalf("%s of %v", key, payload)
		}
		return f
	}
	if took := number("averageTimePerReadCycleMs"); took < 50 || took > 60 {
		t.Errorf("%v ms a cycle", took)
	}
	if n := number("averageRecordPerReadCycle"); n != 0 {
		t.Errorf("%v records a cycle", n)
	}
	if since := number("elapsedTimeSinceLastReadCycleMs"); since > 60 {
		t.Errorf("%v ms since the last", since)
	}
	if _, there := payload.Get(messages.ReceivedRecordCount); there {
		t.Errorf("%v: the count appears after the first read that is not empty", payload)
	}
}
