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
