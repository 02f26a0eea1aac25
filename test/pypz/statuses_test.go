package pypz_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/d2e2d648/weir"
	"github.com/d2e2d648/weir/test/pypz"
)

// A pypz peer passes a status's keys on as keyword arguments: it wants these, and an eighth would be an exception there.
func sevenKeys() []string {
	return []string{"channel_context_name", "channel_group_index", "channel_group_name", "channel_name", "payload", "status", "timestamp"}
}

// told gives what a peer has said, each as "kind payload", without repetitions, and checks what holds for every status.
func told(s *scene, c *pypz.Channel, name string, group any, index int) (sequence []string) {
	s.Helper()
	var last int64
	var heard []pypz.Heard
	c.See(func(v *pypz.View) { heard = v.Of(name) })
	for _, h := range heard {
		var fields map[string]any
		s.must(json.Unmarshal([]byte(h.Body), &fields))
		if keys := slices.Sorted(maps.Keys(fields)); !slices.Equal(keys, sevenKeys()) {
			s.Errorf("%s: it has other keys", h.Body)
		}
		if fields["channel_group_name"] != group || fields["channel_group_index"] != float64(index) || h.Channel != s.channel {
			s.Errorf("%s: want group %v, index %d", h.Body, group, index)
		}
		if h.Timestamp < last {
			s.Errorf("%s: its time is before that of the last one, %d", h.Body, last)
		}
		last = h.Timestamp
		payload, err := json.Marshal(h.Payload)
		s.must(err)
		if one := h.Kind + " " + string(payload); len(sequence) == 0 || sequence[len(sequence)-1] != one {
			sequence = append(sequence, one)
		}
	}
	return sequence
}

func wantTold(s *scene, c *pypz.Channel, name string, want ...string) {
	s.Helper()
	if got := told(s, c, name, nil, 0); !slices.Equal(got, want) {
		s.Errorf("%s said\n  %s\nwant\n  %s", name, strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

func TestWhatAWeirWriterSays(t *testing.T) {
	each(t, func(s *scene) {
		s.createdByPypz()
		r := s.openReader("r")
		w := s.weirWriter("w")
		s.must(r.WaitSaid(s.ctx, "w", pypz.HealthCheck, 3))
		s.must(w.Write(s.ctx, "a", "b", "c", "d"))
		s.must(waitCount(s, &r.Channel, "w", "sentRecordCount", 4))
		s.must(w.Close(s.ctx))
		s.must(r.WaitState(s.ctx, "w", pypz.Closed))
		wantTold(s, &r.Channel, "w", "Opened null", "HealthCheck {}", "Started null", "HealthCheck {}", `HealthCheck {"sentRecordCount":4}`, "Stopped null", "Closed null")
	})
}

func TestWhatAWeirReaderSays(t *testing.T) {
	each(t, func(s *scene) {
		r := s.weirReader("r", weir.Compat())
		w := s.openWriter("w")
		s.must(w.WaitSaid(s.ctx, "r", pypz.HealthCheck, 3))
		s.must(w.Write("a", "b", "c", "d"))
		readWeir(s, r, 4)
		s.must(waitCount(s, &w.Channel, "r", "receivedRecordCount", 4))
		s.must(r.Close(s.ctx))
		s.must(w.WaitState(s.ctx, "r", pypz.Closed))
		got := told(s, &w.Channel, "r", nil, 0)
		want := []string{"Opened null", "HealthCheck {}", "Started null", "HealthCheck {}", `HealthCheck {"receivedRecordCount":4}`, "Stopped null", "Closed null"}
		// How many records a read hands over is not the point.
		got = slices.DeleteFunc(got, func(one string) bool {
			return strings.HasPrefix(one, `HealthCheck {"received`) && !strings.HasSuffix(one, ":4}")
		})
		if !slices.Equal(got, want) {
			s.Errorf("r said\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
		}
	})
}

// waitCount waits until a health check of a peer has counted so many records.
func waitCount(s *scene, c *pypz.Channel, name, key string, n int) error {
	return c.Wait(s.ctx, fmt.Sprintf("%s %d of %s", key, n, name), func(v *pypz.View) bool {
		heard := v.Of(name)
		return slices.ContainsFunc(heard, func(h pypz.Heard) bool {
			payload, _ := h.Payload.(map[string]any)
			return payload[key] == json.Number(fmt.Sprint(n))
		})
	})
}

// With metrics a health check has four keys more, of the original's names.
func TestMetricsOfWeir(t *testing.T) {
	each(t, func(s *scene) {
		r, err := weir.OpenReader(s.ctx, s.rt, s.channel, weir.Text(), weir.Compat(), weir.Name("r"), weir.HealthInterval(quick))
		s.must(err)
		w, err := weir.OpenWriter(s.ctx, s.rt, s.channel, weir.Text(), weir.Name("w"), weir.HealthInterval(quick))
		s.must(err)
		py, pyw := s.openReader("pr", func(o *pypz.Options) { o.Silent = true }), s.openWriter("pw")
		s.must(w.Write(s.ctx, "a"))
		readWeir(s, r, 1)
		wantKeys(s, &py.Channel, "w", "sentRecordCount", "averageRecordPerOutputCycle", "averageTimePerOutputCycleMs", "averageTimePerOutputRecordMs", "elapsedTimeSinceLastOutputCycleMs")
		wantKeys(s, &pyw.Channel, "r", "receivedRecordCount", "averageRecordPerReadCycle", "averageTimePerReadCycleMs", "averageTimePerReadRecordMs", "elapsedTimeSinceLastReadCycleMs")
	})
}

// wantKeys wants a health check with these keys. One that finds weir busy may have the count alone.
func wantKeys(s *scene, c *pypz.Channel, name, count string, keys ...string) {
	s.Helper()
	want := append(slices.Clone(keys), count)
	slices.Sort(want)
	s.must(c.Wait(s.ctx, "metrics of "+name, func(v *pypz.View) bool {
		return slices.ContainsFunc(v.Of(name), func(h pypz.Heard) bool {
			payload, _ := h.Payload.(map[string]any)
			return slices.Equal(slices.Sorted(maps.Keys(payload)), want)
		})
	}))
	c.See(func(v *pypz.View) {
		for _, h := range v.Of(name) {
			payload, _ := h.Payload.(map[string]any)
			for key := range payload {
				if !slices.Contains(want, key) {
					s.Errorf("%s: the original knows no %s", h.Body, key)
				}
			}
		}
	})
}

// A reader takes Stopped to mean that no more comes: all that a weir writer has taken in is there by then.
func TestStoppedComesWhenAllIsThere(t *testing.T) {
	const records = 5000
	each(t, func(s *scene) {
		s.createdByPypz()
		r := s.openReader("r", silent) // it consumes nothing
		w := s.weirWriter("w")
		receipts := make([]*weir.Receipt, 0, records/100)
		for range records / 100 {
			receipt, err := w.Send(s.ctx, slices.Repeat([]string{strings.Repeat("x", 100)}, 100)...)
			s.must(err)
			receipts = append(receipts, receipt)
		}
		closed := make(chan error, 1)
		go func() { closed <- w.Close(s.ctx) }()
		s.must(r.WaitSaid(s.ctx, "w", pypz.Stopped, 1))
		if n := s.ready(s.channel); n != records {
			s.Errorf("%d records were there when the writer had said Stopped, %d were sent", n, records)
		}
		s.must(<-closed)
		for _, receipt := range receipts {
			s.must(receipt.Wait(s.ctx))
		}
		s.must(r.WaitState(s.ctx, "w", pypz.Closed))
	})
}

// Members of a group say so.
func TestGroupOfWeirEndpoints(t *testing.T) {
	each(t, func(s *scene) {
		s.createdByPypz()
		w := s.openWriter("w")
		r := s.weirReader("r", weir.Group("g", 1, 2), weir.Compat())
		s.must(w.WaitState(s.ctx, "r", pypz.Started))
		if group := w.Peer("r").Group; group != "g" {
			s.Errorf("the group is %q", group)
		}
		s.must(r.Close(s.ctx))
		s.must(w.WaitState(s.ctx, "r", pypz.Closed))
		told(s, &w.Channel, "r", "g", 1)
	})
}
