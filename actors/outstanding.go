package actors

import (
	"time"

	"github.com/d2e2d648/weir/broker"
)

// outstanding is what an incarnation has published and not heard of, so that it can tell since when the oldest waits. Sequences come in rising order.
type outstanding struct {
	runs    []run
	settled broker.Marks
}

type run struct {
	first, last uint64
	at          time.Time
}

func (o *outstanding) add(first, last uint64, at time.Time) {
	if n := len(o.runs); n > 0 && o.runs[n-1].last+1 == first && o.runs[n-1].at.Equal(at) {
		o.runs[n-1].last = last
		return
	}
	o.runs = append(o.runs, run{first, last, at})
}

// settle says whether the oldest has become another, or none is left.
func (o *outstanding) settle(first, last uint64) (moved bool) {
	o.settled.Add(first, last)
	k := 0
	for k < len(o.runs) {
		r := &o.runs[k]
		whole := true
		o.settled.Missing(r.first, r.last, func(a, _ uint64) {
			if whole && a > r.first {
				r.first, moved = a, true
			}
			whole = false
		})
		if !whole {
			break
		}
		k++
	}
	if k == 0 {
		return moved
	}
	o.settled.Add(0, o.runs[k-1].last) // what is below will never be asked for again
	n := copy(o.runs, o.runs[k:])
	o.runs = o.runs[:n]
	return true
}

// oldest says since when the oldest has waited.
func (o *outstanding) oldest() (since time.Time, any bool) {
	if len(o.runs) == 0 {
		return time.Time{}, false
	}
	return o.runs[0].at, true
}
