package broker

import "slices"

// Offsets says which offset each delivery tag of a stream's consumer has. Both rise, tags without gaps, offsets nearly so: a broker may keep records of its own
// between. The zero value is empty. Not safe for concurrent use.
type Offsets struct{ runs []run }

// run is tags in a row whose offsets are in a row.
type run struct{ tag, offset uint64 }

// Add notes the offset of a tag that is above all others.
func (o *Offsets) Add(tag, offset uint64) {
	if n := len(o.runs); n > 0 && offset-o.runs[n-1].offset == tag-o.runs[n-1].tag {
		return
	}
	o.runs = append(o.runs, run{tag, offset})
}

// Of is the offset of a tag that was added. Tags are asked for in rising order: it lets go of what only lower ones need.
func (o *Offsets) Of(tag uint64) uint64 {
	i, found := slices.BinarySearchFunc(o.runs, tag, func(r run, tag uint64) int {
		switch {
		case r.tag < tag:
			return -1
		case r.tag > tag:
			return 1
		}
		return 0
	})
	if !found {
		i--
	}
	o.runs = slices.Delete(o.runs, 0, i)
	return o.runs[0].offset + tag - o.runs[0].tag
}

// Below is the greatest tag whose offset is below the given one; 0 when there is none, or none that Of has not let go of. The greatest tag that was added is not known here: an offset beyond
// it gives a tag beyond it.
func (o *Offsets) Below(offset uint64) uint64 {
	for i := len(o.runs) - 1; i >= 0; i-- {
		if r := o.runs[i]; r.offset < offset {
			tag := r.tag + offset - r.offset - 1
			if i+1 < len(o.runs) {
				tag = min(tag, o.runs[i+1].tag-1)
			}
			return tag
		}
	}
	return 0
}
