package sim

import (
	"strconv"
	"testing"

	"github.com/asynkron/protoactor-go/actor"
)

// A sends 1 and 2 to C in one handler, B sends 3. On goroutines C may see 1 3 2: only the fine mode gets there. In either mode what one sends stays in order.
func TestInterleavings(t *testing.T) {
	for _, mode := range []Mode{Fine, Atomic} {
		seen := map[string]int{}
		w := newWorld()
		for seed := range uint64(1000) {
			w.Reset(seed, mode)
			seen[interleave(t, w)]++
		}
		want := map[Mode][]string{Fine: {"123", "132", "312"}, Atomic: {"123", "312"}}[mode]
		for _, order := range want {
			if seen[order] < 50 {
				t.Errorf("%s: order %s came %d times", mode, order, seen[order])
			}
		}
		if len(seen) != len(want) {
			t.Errorf("%s: %v", mode, seen)
		}
	}
}

func interleave(t *testing.T, w *World) (order string) {
	spawn := func(name string, f func(ctx actor.Context, text string)) *actor.PID {
		props := actor.PropsFromFunc(func(ctx actor.Context) {
			if text, ok := ctx.Message().(string); ok {
				f(ctx, text)
			}
		}, w.Env().Options...)
		pid, err := w.System().Root.SpawnNamed(props, name)
		if err != nil {
			t.Fatal(err)
		}
		return pid
	}
	c := spawn("c", func(_ actor.Context, text string) { order += text })
	a := spawn("a", func(ctx actor.Context, _ string) {
		for i := range 2 {
			ctx.Send(c, strconv.Itoa(i+1))
		}
	})
	b := spawn("b", func(ctx actor.Context, _ string) { ctx.Send(c, "3") })
	w.System().Root.Send(a, "go")
	w.System().Root.Send(b, "go")
	w.RunFor(0)
	for w.Step() {
		continue
	}
	return order
}
