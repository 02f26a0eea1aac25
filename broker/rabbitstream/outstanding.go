package rabbitstream

import (
	"cmp"
	"slices"

	"github.com/d2e2d648/weir/broker"
)

// outstanding is a set of sequences: what is published and not confirmed. The ranges are sorted and disjoint, and nearly always it is one.
type outstanding []broker.Range

// search gives the first range whose Last is not below n.
func (o outstanding) search(n uint64) int {
	i, _ := slices.BinarySearchFunc(o, n, func(r broker.Range, n uint64) int { return cmp.Compare(r.Last, n) })
	return i
}

// add puts first to last in, and says how many of them were not.
func (o *outstanding) add(first, last uint64) (n int) {
	all, n := broker.Range{First: first, Last: last}, int(last-first+1)
	i := o.search(first - 1) // an adjacent one is joined
	j := i
	for ; j < len(*o) && (*o)[j].First <= last+1; j++ {
		r := (*o)[j]
		n -= int(min(last, r.Last) + 1 - max(first, r.First))
		all = broker.Range{First: min(all.First, r.First), Last: max(all.Last, r.Last)}
	}
	*o = slices.Replace(*o, i, j, all)
	return n
}

// take takes first to last out, and calls f for each range of them that was in.
func (o *outstanding) take(first, last uint64, f func(first, last uint64)) {
	var stay [2]broker.Range
	n, i := 0, o.search(first)
	j := i
	for ; j < len(*o) && (*o)[j].First <= last; j++ {
		r := (*o)[j]
		f(max(first, r.First), min(last, r.Last))
		if r.First < first {
			stay[n] = broker.Range{First: r.First, Last: first - 1}
			n++
		}
		if r.Last > last {
			stay[n] = broker.Range{First: last + 1, Last: r.Last}
			n++
		}
	}
	*o = slices.Replace(*o, i, j, stay[:n]...)
}
