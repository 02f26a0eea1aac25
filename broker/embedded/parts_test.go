package embedded

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// fifo against a slice.
func TestFifo(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	var f fifo[*int]
	var want []*int
	for round := range 200 {
		for range rng.IntN(700) {
			x := new(int)
			f.push(x)
			want = append(want, x)
			if *f.front() != want[0] || *f.back() != x {
				t.Fatal("wrong ends")
			}
		}
		n := rng.IntN(len(want) + 1)
		if round%10 == 0 {
			n = len(want)
		}
		for range n {
			if f.pop() != want[0] {
				t.Fatal("wrong order")
			}
			want = want[1:]
		}
		if f.n != len(want) {
			t.Fatalf("%d, want %d", f.n, len(want))
		}
	}
	for range want {
		f.pop()
	}
	if f.head != f.tail || f.head.next != nil || slices.ContainsFunc(f.head.items[:cap(f.head.items)], func(x *int) bool { return x != nil }) {
		t.Error("an empty queue keeps something")
	}
}

type number int

func (n number) before(m number) bool { return n < m }

func TestSorted(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for range 300 {
		var s sorted[number]
		var want []number
		for range rng.IntN(50) {
			n := number(rng.IntN(20))
			s.push(n)
			want = append(want, n)
		}
		slices.Sort(want)
		for _, n := range want {
			if s.pop() != n {
				t.Fatal("wrong order")
			}
		}
	}
}

// unsettled against a map, with few and with many gaps; its memory stays with the prefetch.
func TestUnsettled(t *testing.T) {
	const prefetch = 50
	for seed := range uint64(30) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var u unsettled
		want, last := map[uint64]bool{}, uint64(0)
		for range 3000 {
			switch {
			case u.n < prefetch && rng.IntN(2) == 0:
				last++
				u.add(last, message{place: last})
				want[last] = true
				if h := u.last(1); h[0].tag != last {
					t.Fatal("not the last")
				}
			case last > 0 && rng.IntN(40) == 0:
				tag := uint64(rng.IntN(int(last))) + 1
				u.dropUpTo(tag)
				for k := range want {
					if k <= tag {
						delete(want, k)
					}
				}
			case last > 0:
				tag := last - min(last-1, uint64(rng.IntN(2*prefetch)))
				if m, ok := u.take(tag); ok != want[tag] || ok && m.place != tag {
					t.Fatalf("take %d: %v", tag, ok)
				}
				delete(want, tag)
			}
			if u.n != len(want) || cap(u.entries) > 5*prefetch {
				t.Fatalf("%d unsettled, want %d; room for %d", u.n, len(want), cap(u.entries))
			}
		}
		previous := uint64(0)
		u.drain(func(m message) {
			if !want[m.place] || m.place <= previous {
				t.Fatal("drained in a wrong order")
			}
			previous = m.place
			delete(want, m.place)
		})
		if len(want) > 0 || u.n > 0 {
			t.Error("something is left")
		}
	}
}
