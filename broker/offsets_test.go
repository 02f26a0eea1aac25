package broker

import "testing"

func TestOffsets(t *testing.T) {
	var o Offsets
	offsets := map[uint64]uint64{}
	offset := uint64(40)
	for tag := uint64(1); tag <= 100; tag++ {
		if tag%10 == 5 {
			offset++ // the broker's own
		}
		offsets[tag] = offset
		o.Add(tag, offset)
		offset++
	}
	if len(o.runs) != 11 {
		t.Errorf("%d runs", len(o.runs))
	}
	for _, tag := range []uint64{1, 2, 14, 15, 16, 16, 94, 95, 100} {
		if got := o.Of(tag); got != offsets[tag] {
			t.Errorf("tag %d has offset %d, want %d", tag, got, offsets[tag])
		}
	}
	if len(o.runs) != 1 {
		t.Errorf("%d runs are left", len(o.runs))
	}
}
