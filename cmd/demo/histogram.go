package main

import (
	"math/bits"
	"time"
)

// histogram counts durations to within 1/64 of each, in fixed memory. Its zero value is empty.
type histogram struct {
	counts [(64 - histogramBits + 1) << histogramBits]uint64
	total  uint64
	most   time.Duration
}

const histogramBits = 6

func (h *histogram) add(d time.Duration) {
	d = max(d, 0)
	h.counts[bucketOf(uint64(d))]++
	h.total++
	h.most = max(h.most, d)
}

// bucketOf: below 128 each value has its own; above, each power of two has 64.
func bucketOf(v uint64) int {
	if v < 1<<histogramBits {
		return int(v)
	}
	shift := bits.Len64(v) - histogramBits - 1
	return shift<<histogramBits + int(v>>shift)
}

// bucketTop is the greatest value of a bucket.
func bucketTop(b int) uint64 {
	if b < 2<<histogramBits {
		return uint64(b)
	}
	shift := b>>histogramBits - 1
	return (uint64(b-shift<<histogramBits)+1)<<shift - 1
}

// quantile is the duration that a share q of all does not exceed; 0 when there is none.
func (h *histogram) quantile(q float64) time.Duration {
	if h.total == 0 {
		return 0
	}
	left := uint64(q * float64(h.total))
	for b, n := range h.counts {
		if n > left {
			return min(time.Duration(bucketTop(b)), h.most)
		}
		left -= n
	}
	return h.most
}
