package weir_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/d2e2d648/weir"
	"github.com/d2e2d648/weir/test/rabbit"
	"github.com/d2e2d648/weir/test/rabbit/rabbittest"
)

// A broker loses a queue's record and keeps the queue's process, whose consumers it tells nothing: RabbitMQ 4.0.5 does that by itself to a queue that is deleted while the node starts. The reader finds out
// by asking, and its channel goes on.
func TestQueueThatTheBrokerForgot(t *testing.T) {
	for _, version := range rabbit.Versions() {
		t.Run("RabbitMQ-"+version, func(t *testing.T) {
			t.Parallel() // it waits for an audit
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			node := rabbittest.Shared(t, version)
			channel := "forgotten-" + version
			rt := must[*weir.Runtime](t)(weir.Open(ctx, node.URL()))
			r := reader(ctx, t, rt, channel, "reader", weir.Compat())
			w := writer(ctx, t, rt, channel, "writer", weir.Compat())
			if err := w.Write(ctx, "before"); err != nil {
				t.Fatal(err)
			}
			readOne(ctx, t, r, "before")
			forget := fmt.Sprintf(`Name = rabbit_misc:r(<<"/">>, queue, <<"%s">>), {ok, Queue} = rabbit_amqqueue:lookup(Name),
				ok = rabbit_amqqueue:internal_delete(case erlang:function_exported(rabbit_db_queue, delete, 2) of true -> Queue; false -> Name end, <<"test">>).`, channel)
			if _, err := node.Ctl(ctx, "eval", forget); err != nil {
				t.Fatal(err)
			}
			if err := w.Write(ctx, "afterwards"); err != nil {
				t.Fatal(err)
			}
			readOne(ctx, t, r, "afterwards")
			if err := rt.Close(ctx); err != nil {
				t.Error(err)
			}
		})
	}
}

func readOne(ctx context.Context, t *testing.T, r *weir.Reader[string], want string) {
	t.Helper()
	batch, err := r.Read(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if got := batch.Values; len(got) != 1 || got[0] != want {
		t.Errorf("%v instead of %s", got, want)
	}
	if err := batch.Commit(ctx); err != nil {
		t.Fatal(err)
	}
}
