package main

import (
	"math/bits"
	"time"
)

// histogram counts durations in buckets that are less than 1 % wide, whatever their magnitude: 128 for each doubling. The largest is kept exactly.
type histogram struct {
	Counts map[int]int64
	Total  int64
	Max    time.Duration
}

const subBits = 7

// bucket gives where a duration is counted. Below 128 ns each has a bucket of its own.
func bucket(d time.Duration) int {
	v := uint64(max(d, 0))
	shift := max(0, bits.Len64(v)-subBits-1)
	return shift<<subBits + int(v>>shift)
}

// middle gives the duration in a bucket's middle.
func middle(bucket int) time.Duration {
	shift := max(0, bucket>>subBits-1)
	low := uint64(bucket-shift<<subBits) << shift
	return time.Duration(low + (1<<shift)/2)
}

func (h *histogram) add(d time.Duration) {
	if h.Counts == nil {
		h.Counts = map[int]int64{}
	}
	h.Counts[bucket(d)]++
	h.Total++
	h.Max = max(h.Max, d)
}

func (h *histogram) merge(other *histogram) {
	if h.Counts == nil {
		h.Counts = map[int]int64{}
	}
	for b, n := range other.Counts {
		h.Counts[b] += n
	}
	h.Total += other.Total
	h.Max = max(h.Max, other.Max)
}

// quantile gives the least duration that at least so great a part of all does not exceed, within a bucket's width; 0 when there is none.
func (h *histogram) quantile(q float64) time.Duration {
	if h.Total == 0 {
		return 0
	}
	want := int64(q * float64(h.Total))
	if float64(want) < q*float64(h.Total) || want == 0 {
		want++
	}
	seen := int64(0)
	for _, b := range sorted(h.Counts) {
		if seen += h.Counts[b]; seen >= want {
			return min(middle(b), h.Max)
		}
	}
	return h.Max
}
