package pypz_test

import (
	"slices"
	"testing"

	"github.com/d2e2d648/weir"
	"github.com/d2e2d648/weir/test/pypz"
)

// Both members of a reading group in fan-out get all that both writers write, whoever is the principal.
func TestFanOutOfAPypzPrincipal(t *testing.T) {
	each(t, func(s *scene) {
		principal := s.reader("op", fanOut("op", 0, 2))
		s.done("create")(principal.CreateResources())
		s.done("open")(principal.Open())
		principal.InitOffset()
		s.must(principal.Start())
		member := s.weirReader("op_0", weir.Group("op", 1, 2), weir.FanOut(), weir.Compat())
		allGetAll(s, principal, member)

		// The principal hears its own side, and may close only when the member has.
		s.must(principal.WaitState(s.ctx, "op_0", pypz.Started))
		s.notYet("close beside an open member")(principal.CanClose())
		s.must(member.Close(s.ctx))
		s.must(principal.WaitState(s.ctx, "op_0", pypz.Closed))
		s.done("close")(principal.CanClose())
		told(s, &principal.Channel, "op_0", "op", 1)
	})
}

func TestFanOutOfAWeirPrincipal(t *testing.T) {
	each(t, func(s *scene) {
		member := s.reader("op_0", fanOut("op", 1, 2))
		s.notYet("open before the principal")(member.Open())
		principal := s.weirReader("op", weir.Group("op", 0, 2), weir.FanOut(), weir.Compat())
		s.done("open")(member.Open())
		member.InitOffset()
		s.must(member.Start())
		allGetAll(s, member, principal)
		s.done("close")(member.CanClose())
	})
}

// allGetAll writes with both kinds of writer, and wants every record at both readers, each writer's in their order.
func allGetAll(s *scene, py *pypz.Reader, own *weir.Reader[string]) {
	s.Helper()
	w, pw := s.weirWriter("w"), s.openWriter("pw")
	fromWeir, fromPypz := []string{"w1", "w2", "w3"}, []string{"p1", "p2", "p3"}
	s.must(w.Write(s.ctx, fromWeir...))
	s.must(pw.Write("p1", "p2", "p3"))
	var got []string
	for _, record := range s.readPypz(py, 6) {
		got = append(got, record.Value.(string))
	}
	values, _ := readWeir(s, own, 6)
	for reader, got := range map[string][]string{"pypz": got, "weir": values} {
		if !slices.Equal(of('w', got), fromWeir) || !slices.Equal(of('p', got), fromPypz) {
			s.Errorf("the %s reader got %v", reader, got)
		}
	}
}

func of(writer byte, got []string) (its []string) {
	for _, v := range got {
		if v[0] == writer {
			its = append(its, v)
		}
	}
	return its
}

// Without fan-out the members of a group share a queue: each record goes to one.
func TestSharedQueue(t *testing.T) {
	each(t, func(s *scene) {
		principal := s.reader("op", inGroup("op", 0, 2))
		s.done("create")(principal.CreateResources())
		s.done("open")(principal.Open())
		principal.InitOffset()
		member := s.weirReader("op_0", weir.Group("op", 1, 2), weir.Compat(), weir.PollTimeout(quick))
		w := s.weirWriter("w")
		records := make([]string, many)
		for i := range records {
			records[i] = string(rune('a' + i))
		}
		s.must(w.Write(s.ctx, records...))
		var got []string
		for len(got) < many && s.ctx.Err() == nil {
			pypzGot, err := principal.Read()
			s.must(err)
			for _, record := range pypzGot {
				got = append(got, record.Value.(string))
			}
			s.must(principal.CommitCurrent())
			b, err := member.Read(s.ctx)
			s.must(err)
			got = append(got, b.Values...)
			s.must(b.Commit(s.ctx))
		}
		slices.Sort(got)
		slices.Sort(records)
		if !slices.Equal(got, records) {
			s.Errorf("%d of %d records came, or some came twice", len(got), many)
		}
	})
}
