package broker

import "slices"

// Range is First to Last, both included.
type Range struct{ First, Last uint64 }

// Marks is a set of sequences or tags in which all below a low mark are in: what has been confirmed, committed or settled. It costs nothing while things
// come in order, and one range for each gap otherwise. The zero value is empty with its low mark at 0; NewMarks sets another. Not safe for concurrent use.
type Marks struct {
	low   uint64  // all below are in
	above []Range // in, above low; sorted, disjoint, not adjacent
}

// NewMarks is the set of all below low.
func NewMarks(low uint64) Marks { return Marks{low: low} }

// Low is the lowest that is not in the set.
func (m *Marks) Low() uint64 { return m.low }

// Has says whether n is in.
func (m *Marks) Has(n uint64) bool {
	if n < m.low {
		return true
	}
	i := m.search(n)
	return i < len(m.above) && m.above[i].First <= n
}

// search gives the first range above low whose Last is not below n.
func (m *Marks) search(n uint64) int {
	i, _ := slices.BinarySearchFunc(m.above, n, func(r Range, n uint64) int {
		if r.Last < n {
			return -1
		}
		return 1
	})
	return i
}

// Add puts first to last in. What is in already stays.
func (m *Marks) Add(first, last uint64) {
	if last < m.low || last < first {
		return
	}
	if first <= m.low {
		m.low = last + 1
		m.absorb()
		return
	}
	i := m.search(first - 1) // an adjacent one is joined
	j := i
	for j < len(m.above) && m.above[j].First <= last+1 {
		first, last = min(first, m.above[j].First), max(last, m.above[j].Last)
		j++
	}
	m.above = slices.Replace(m.above, i, j, Range{first, last})
}

// absorb lets the low mark swallow the ranges it has reached.
func (m *Marks) absorb() {
	k := 0
	for k < len(m.above) && m.above[k].First <= m.low {
		m.low = max(m.low, m.above[k].Last+1)
		k++
	}
	m.above = slices.Delete(m.above, 0, k)
}

// Missing calls f for each maximal range within first to last that is not in, in order. f must not change the set.
func (m *Marks) Missing(first, last uint64, f func(first, last uint64)) {
	first = max(first, m.low)
	for i := m.search(first); first <= last; i++ {
		if i == len(m.above) || m.above[i].First > last {
			f(first, last)
			return
		}
		if m.above[i].First > first {
			f(first, m.above[i].First-1)
		}
		first = m.above[i].Last + 1
	}
}

// Gaps is how many ranges are in above the low mark.
func (m *Marks) Gaps() int { return len(m.above) }
