package process

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/d2e2d648/weir/supervisor"
	"github.com/d2e2d648/weir/test/rabbit"
)

const (
	// memoryLimit is a child's GOMEMLIMIT: the collector works as hard as it must to keep all of Go's memory below, as long as what lives is less.
	memoryLimit = 64 << 20
	// besides is what a channel takes that has nothing to do with the size of its records: buffers of sockets, stacks, what was not touched before.
	besides = 24 << 20
	// chunks of a stream are on their way beyond the prefetch, each of which is what the broker has written at once: no more than the writer's window.
	chunks = 10
	// byBytes is a window of more records than its 16 MiB have room for; chunkRecords is one that keeps chunks small.
	byBytes, chunkRecords = 10_000, 100
)

// A flood of records comes that is larger than the process may be: to a writer on a broker that takes none, then to a reader that stands still. What either takes is bounded by window and prefetch, and both
// work it off afterwards.
func TestFloodAndASmallMemory(t *testing.T) {
	if all := *floodFlag * floodSize; all < memoryLimit*3/2 {
		t.Fatalf("a flood of %s is none", mib(all))
	}
	child := build(t, "test", "-c", ".")
	eachVersion(t, func(t *testing.T, node *rabbit.Node) {
		planesInTurn(t, func(t *testing.T, onStream bool) {
			f := flood{scene: newScene(t, node, onStream), binary: child, window: byBytes}
			f.poll, f.prefetch = supervisor.DefaultPoll, 2*supervisor.DefaultPoll
			if onStream {
				f.window, f.poll, f.prefetch = chunkRecords, supervisor.DefaultStreamPoll, 2*supervisor.DefaultStreamPoll
			}
			f.write()
			f.read()
		})
	})
}

// flood is a channel that it goes through, with the child's settings.
type flood struct {
	*scene
	binary                 string
	window, poll, prefetch int
	alarmed                bool
}

func (f *flood) begin(name string, reads bool) *life {
	f.Helper()
	spec := f.spec
	spec.Name, spec.Reads, spec.Flood, spec.Window, spec.Poll, spec.Prefetch = name, reads, *floodFlag, f.window, f.poll, f.prefetch
	return beginFrom(f.ctx, f.T, f.binary, spec, fmt.Sprintf("GOMEMLIMIT=%d", memoryLimit))
}

// write: the broker's alarm is on until the window is full.
func (f *flood) write() {
	f.Helper()
	w := f.begin("writer", false)
	w.await(connected, nil)
	base := w.peak()
	w.await(ready, nil)
	f.alarm(true)
	w.tell(order{Go: true})
	full := min(f.window, supervisor.DefaultWindowBytes/floodSize)
	w.awaitWaiting(full)
	full *= floodSize
	w.takes("blocked", base, full)
	f.alarm(false)
	w.await(done, nil)
	w.takes("in the end", base, 2*full) // each record, and as it goes to the socket
	w.quits()
}

// read: the reader has one batch in hand until its prefetch is used up.
func (f *flood) read() {
	f.Helper()
	r := f.begin("child", true)
	r.await(connected, nil)
	base := r.peak()
	due := 0
	take := func(w word) {
		for _, head := range w.Bodies {
			if n := binary.BigEndian.Uint64(head); n != uint64(due) {
				f.Fatalf("record %d came where %d was due", n, due)
			}
			due++
		}
	}
	first := r.await(delivered, nil)
	take(first)
	if more := r.awaitWaiting(f.prefetch-first.N) + first.N - f.prefetch; more > 0 {
		f.Errorf("the reader holds %d records more than its prefetch", more)
	}
	lives := f.prefetch * floodSize
	if f.Stream {
		lives += chunks * chunkRecords * floodSize
	}
	r.takes("with its prefetch used up", base, lives)
	r.tell(order{Go: true})
	r.await(done, take)
	r.takes("in the end", base, lives)
	if due != *floodFlag {
		f.Errorf("%d records came of %d", due, *floodFlag)
	}
	r.quits()
}

// alarm has the broker take no records, of AMQP or of streams, or take them again: in the end at the latest.
func (f *flood) alarm(on bool) {
	f.Helper()
	if _, err := f.node.Alarm(f.ctx, true, on); err != nil {
		f.Fatal(err)
	}
	if f.alarmed = on; !on {
		return
	}
	f.Cleanup(func() {
		if !f.alarmed {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		defer cancel()
		if _, err := f.node.Alarm(ctx, true, false); err != nil {
			f.Error(err)
		}
	})
}

// takes sees that the most that the child ever took, since it had connected, is bounded where so many bytes of records live at a time: the collector lets as much garbage gather, up to the limit.
func (l *life) takes(when string, base, lives int) {
	l.Helper()
	took, most := l.peak()-base, min(2*lives+besides, memoryLimit)
	l.Logf("%s, %s: %s, at most %s, of a flood of %s", l.Name, when, mib(took), mib(most), mib(l.Flood*floodSize))
	if took > most {
		l.Errorf("%s took too much", l.Name)
	}
}

// peak is the most that was ever resident of the child, in bytes.
func (l *life) peak() int {
	l.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", l.cmd.Process.Pid))
	if err != nil {
		l.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	figure, _, _ := strings.Cut(rest, "kB")
	n, err := strconv.Atoi(strings.TrimSpace(figure))
	if err != nil {
		l.Fatal(err)
	}
	return n << 10
}

func mib(n int) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }

func (l *life) tell(o order) {
	l.Helper()
	if err := l.orders.Encode(o); err != nil {
		l.Fatal(err)
	}
}

// awaitWaiting asks until so many records wait, and gives how many do.
func (l *life) awaitWaiting(n int) (waits int) {
	l.Helper()
	for waits < n {
		l.tell(order{Look: true})
		w := l.await(waiting, nil)
		if w.Err != "" {
			l.Fatal(w.Err)
		}
		waits = w.N
	}
	return waits
}

// quits ends a child that has done all.
func (l *life) quits() {
	l.Helper()
	l.stdin.Close()
	if status := l.last(func(word) {}); status != 0 {
		l.Errorf("%s ended with status %d", l.Name, status)
	}
}
