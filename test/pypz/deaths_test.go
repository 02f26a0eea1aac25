package pypz_test

import (
	"fmt"
	"testing"

	"github.com/d2e2d648/weir"
	"github.com/d2e2d648/weir/messages"
	"github.com/d2e2d648/weir/test/pypz"
)

func numbers(from, to int) (values []string) {
	for i := from; i < to; i++ {
		values = append(values, fmt.Sprint(i))
	}
	return values
}

func anys(values []string) (out []any) {
	for _, v := range values {
		out = append(out, v)
	}
	return out
}

// seen notes which records came.
type seen map[string]int

func (got seen) add(values ...string) {
	for _, v := range values {
		got[v]++
	}
}

func (got seen) all(s *scene, n int) {
	s.Helper()
	for _, v := range numbers(0, n) {
		if got[v] == 0 {
			s.Errorf("record %s is lost", v)
		}
	}
}

// A pypz reader dies with records that it has read and not committed; another under its name goes on, and loses none.
func TestPypzReaderDies(t *testing.T) {
	each(t, func(s *scene) {
		s.createdByPypz()
		w := s.weirWriter("w")
		first := s.openReader("r")
		s.must(w.Write(s.ctx, numbers(0, 300)...))
		got := seen{}
		for _, record := range s.readPypz(first, 100) {
			got.add(record.Value.(string))
		}
		if _, err := first.Read(); err != nil { // these are never committed
			s.Fatal(err)
		}
		before := s.weirSees(w, "r", "what the first has read", func(p messages.Peer) bool { return p.Records >= 100 })
		s.kill(&first.Channel)
		second := s.openReader("r")
		s.weirSees(w, "r", "the second Opened", func(p messages.Peer) bool {
			return p.State == messages.StatusStarted && p.Times.At(messages.StatusOpened) > before.Times.At(messages.StatusOpened)
		})
		for len(got) < 300 && s.ctx.Err() == nil {
			for _, record := range s.readPypz(second, 1) {
				got.add(record.Value.(string))
			}
		}
		got.all(s, 300)
		if n := len(s.peers(w)); n != 1 {
			s.Errorf("%d peers: a new one under the same name is the same", n)
		}
	})
}

func TestPypzWriterDies(t *testing.T) {
	each(t, func(s *scene) {
		r := s.weirReader("r", weir.Compat())
		first := s.openWriter("w")
		s.must(first.Write(anys(numbers(0, 100))...))
		got := seen{}
		values, _ := readWeir(s, r, 100)
		got.add(values...)
		before := s.weirSees(r, "w", "100 sent", func(p messages.Peer) bool { return p.Records == 100 })
		s.kill(&first.Channel)
		second := s.openWriter("w")
		s.weirSees(r, "w", "the second Started", func(p messages.Peer) bool {
			return p.Times.At(messages.StatusStarted) > before.Times.At(messages.StatusStarted)
		})
		s.must(second.Write(anys(numbers(100, 200))...))
		values, _ = readWeir(s, r, 100)
		got.add(values...)
		got.all(s, 200)
		s.must(second.Close())
		s.weirSeesState(r, "w", messages.StatusClosed)
	})
}

// When weir's connections are cut, its parts are replaced, and the pypz side sees no more of it than a pause: no state changes, nothing that is no status, no record lost.
func TestWeirWriterIsCutOff(t *testing.T) {
	each(t, func(s *scene) {
		s.createdByPypz()
		between, url := proxied(s)
		w := openWeirWriter(s, s.runtime(url), "w", weir.Text())
		r := s.openReader("r")
		got := seen{}
		for i := range 3 {
			receipt, err := w.Send(s.ctx, numbers(i*500, (i+1)*500)...)
			s.must(err)
			between.cut()
			s.must(receipt.Wait(s.ctx))
		}
		for len(got) < 1500 && s.ctx.Err() == nil {
			for _, record := range s.readPypz(r, 1) {
				got.add(record.Value.(string))
			}
		}
		got.all(s, 1500)
		staysStarted(s, &r.Channel, "w", "sentRecordCount", 1500)
		s.must(w.Close(s.ctx))
		s.must(r.WaitState(s.ctx, "w", pypz.Closed))
		told(s, &r.Channel, "w", nil, 0)
	})
}

func TestWeirReaderIsCutOff(t *testing.T) {
	each(t, func(s *scene) {
		s.createdByPypz()
		between, url := proxied(s)
		r := openWeirReader(s, s.runtime(url), "r", weir.Text(), weir.Compat())
		w := s.openWriter("w")
		got := seen{}
		for i := range 3 {
			s.must(w.Write(anys(numbers(i*200, (i+1)*200))...))
			b, err := r.Read(s.ctx)
			s.must(err)
			got.add(b.Values...)
			between.cut()
			_ = b.Commit(s.ctx) // what was cut off comes again
		}
		for len(got) < 600 && s.ctx.Err() == nil {
			b, err := r.Read(s.ctx)
			s.must(err)
			got.add(b.Values...)
			s.must(ignoreRedelivered(b.Commit(s.ctx)))
		}
		got.all(s, 600)
		staysStarted(s, &w.Channel, "r", "", 0)
		s.must(r.Close(s.ctx))
		s.must(w.WaitState(s.ctx, "r", pypz.Closed))
		told(s, &w.Channel, "r", nil, 0)
	})
}

// staysStarted wants a peer that has gone through an incident to be Started, to have been nothing else since, and to say health checks.
func staysStarted(s *scene, c *pypz.Channel, name, key string, n int) {
	s.Helper()
	said := 0
	c.See(func(v *pypz.View) { said = len(v.Of(name)) })
	s.must(c.Wait(s.ctx, "another status of "+name, func(v *pypz.View) bool { return len(v.Of(name)) > said }))
	if key != "" {
		s.must(waitCount(s, c, name, key, n))
	}
	c.See(func(v *pypz.View) {
		states := map[string]int{}
		for _, h := range v.Of(name) {
			states[h.Kind]++
		}
		if v.Peer(name).State != pypz.Started || states[pypz.Opened] != 1 || states[pypz.Started] != 1 || states[pypz.Error] != 0 {
			s.Errorf("%s said %v", name, states)
		}
	})
}
