package soak

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"strings"
)

// Footprint is what the process takes.
type Footprint struct {
	Heap, RSS   uint64 // bytes: what is live after a collection; what is resident once the rest was given back
	Goroutines  int    // without those that wait for actors to run: they stay, up to 64, as many as were needed at once
	Descriptors int
}

func footprint() (f Footprint, err error) {
	for range 3 { // what has finalizers goes in the second, what they release in the third
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	f.Heap = m.HeapAlloc
	if f.Goroutines, err = goroutines(); err != nil {
		return f, err
	}
	debug.FreeOSMemory()
	if f.RSS, err = resident(); err != nil {
		return f, err
	}
	all, err := os.ReadDir("/proc/self/fd")
	f.Descriptors = len(all) - 1 // the folder's own
	return f, err
}

// idleWorker is what a goroutine's stack begins with that waits for actors to run.
const idleWorker = "actors.(*Workers).work("

func goroutines() (n int, err error) {
	var all bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&all, 2); err != nil {
		return 0, err
	}
	for stack := range strings.SplitSeq(strings.TrimSpace(all.String()), "\n\n") {
		_, rest, _ := strings.Cut(stack, "\n")
		top, _, _ := strings.Cut(rest, "\n")
		if !strings.Contains(top, idleWorker) {
			n++
		}
	}
	return n, nil
}

func resident() (uint64, error) {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, err
	}
	var size, pages uint64
	if _, err := fmt.Sscan(string(text), &size, &pages); err != nil {
		return 0, err
	}
	return pages * uint64(os.Getpagesize()), nil
}
