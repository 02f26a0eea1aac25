package embedded

// roster is a list in the order of adding, from which anything is taken out at once, wherever it stands: there may be tens of thousands.
type roster[T comparable] struct {
	seat  func(T) *int // where its place is noted, counted from 1; 0: it is not in the list
	all   []T          // with holes
	holes int
}

func (r *roster[T]) len() int { return len(r.all) - r.holes }

func (r *roster[T]) add(x T) {
	r.all = append(r.all, x)
	*r.seat(x) = len(r.all)
}

func (r *roster[T]) remove(x T) {
	seat := r.seat(x)
	if *seat == 0 {
		return
	}
	var none T
	r.all[*seat-1], *seat = none, 0
	if r.holes++; r.holes > len(r.all)/2 {
		r.close()
	}
}

// list gives the list itself, good until the next change.
func (r *roster[T]) list() []T {
	r.close()
	return r.all
}

// close closes the holes.
func (r *roster[T]) close() {
	if r.holes == 0 {
		return
	}
	var none T
	kept := r.all[:0]
	for _, x := range r.all {
		if x != none {
			kept = append(kept, x)
			*r.seat(x) = len(kept)
		}
	}
	clear(r.all[len(kept):])
	r.all, r.holes = kept, 0
}
