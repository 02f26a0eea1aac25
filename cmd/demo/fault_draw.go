package main

import (
	"math/rand/v2"
	"slices"
	"time"
)

// scenario is what the flags and the seed say.
type scenario struct {
	seed   uint64
	faults []*fault
	length time.Duration // of the traffic, at least
}

// earliest is when the first drawn fault begins: the traffic should be seen before it.
const earliest = time.Second

// drawnFaults is how many a seed draws, where none is given.
const drawnFaults = 3

// draw completes what the flags say: the times that are not said, or, when no fault is given, a few faults of the kinds that are possible there, one after the other.
func draw(seed uint64, given []fault, length time.Duration, v venue, plane string) scenario {
	rng := rand.New(rand.NewPCG(seed, 0x6578706572696d65))
	s := scenario{seed: seed, length: length}
	for i := range given {
		f := given[i]
		if f.at < 0 {
			f.at = (earliest + upTo(rng, max(length-3*time.Second, time.Second))).Truncate(10 * time.Millisecond)
		}
		s.faults = append(s.faults, &f)
	}
	if len(given) == 0 {
		at, kinds := earliest, drawable(v, plane)
		rng.Shuffle(len(kinds), func(i, k int) { kinds[i], kinds[k] = kinds[k], kinds[i] })
		for _, kind := range kinds[:drawnFaults] {
			f := drawFault(rng, kind)
			f.at = (at + upTo(rng, time.Second)).Truncate(10 * time.Millisecond)
			at = f.at + f.length + 3*time.Second // most have healed by then
			s.faults = append(s.faults, f)
		}
	}
	slices.SortStableFunc(s.faults, func(a, b *fault) int { return int(a.at - b.at) })
	return s
}

func upTo(rng *rand.Rand, d time.Duration) time.Duration { return time.Duration(rng.Int64N(int64(d))) }

// drawable are the kinds that a seed may draw there.
func drawable(v venue, plane string) (all []*faultKind) {
	for _, k := range faultKinds() {
		if k.drawn && k.possible(v, plane) {
			all = append(all, k)
		}
	}
	return all
}

func drawFault(rng *rand.Rand, kind *faultKind) *fault {
	f := &fault{kind: kind, at: -1}
	if err := f.takeDefaults(); err != nil {
		panic(err) // a default that cannot be read is a bug, which a test finds
	}
	if kind.length > 0 { // from a half to one and a half of the default
		f.length = (kind.length/2 + upTo(rng, kind.length)).Truncate(10 * time.Millisecond)
	}
	switch {
	case f.crash.Actor != "":
		kinds := slices.DeleteFunc(crashKinds(), func(k crashKind) bool { return k == crashHang }) // which takes longer than most runs
		f.crash = crashSpec{Actor: crashable()[rng.IntN(len(crashable()))], Kind: kinds[rng.IntN(len(kinds))]}
	case f.whose != "":
		f.whose = []string{ofPublisher, ofConsumer}[rng.IntN(2)]
	case f.delay > 0:
		f.delay = (f.delay/2 + upTo(rng, f.delay)).Truncate(time.Millisecond)
	case f.count > 0:
		f.count = f.count/2 + 1 + rng.IntN(f.count)
	}
	return f
}
