package main

import "math/bits"

// bitset is a set of numbers that begin at 0. It grows as needed.
type bitset []uint64

// add puts i in, and says whether it was there.
func (b *bitset) add(i uint64) (was bool) {
	word, bit := int(i/64), uint64(1)<<(i%64)
	if word >= len(*b) {
		*b = append(*b, make([]uint64, word+1-len(*b))...)
	}
	was = (*b)[word]&bit != 0
	(*b)[word] |= bit
	return was
}

func (b bitset) has(i uint64) bool {
	word := i / 64
	return word < uint64(len(b)) && b[word]&(1<<(i%64)) != 0
}

// word gives 64 of the set's bits.
func (b bitset) word(i int) uint64 {
	if i >= len(b) {
		return 0
	}
	return b[i]
}

func (b bitset) count() (n int) {
	for _, w := range b {
		n += bits.OnesCount64(w)
	}
	return n
}

// without counts what is in b and not in c.
func (b bitset) without(c bitset) (n int) {
	for i, w := range b {
		n += bits.OnesCount64(w &^ c.word(i))
	}
	return n
}

// and counts what is in both.
func (b bitset) and(c bitset) (n int) {
	for i, w := range b {
		n += bits.OnesCount64(w & c.word(i))
	}
	return n
}

// withoutBelow counts what is in b and not in c, of the numbers below n.
func (b bitset) withoutBelow(n uint64, c bitset) (count int) {
	for i := range b[:min(uint64(len(b)), n/64)] {
		count += bits.OnesCount64(b[i] &^ c.word(i))
	}
	if last := int(n / 64); last < len(b) {
		count += bits.OnesCount64(b[last] &^ c.word(last) & (1<<(n%64) - 1))
	}
	return count
}
