package actors

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/d2e2d648/weir/broker"
)

func describeAll(steps []step) string {
	var out []string
	for _, s := range steps {
		out = append(out, s.request.String())
	}
	return strings.Join(out, "; ")
}

var groupOfTwo = Resources{Exchange: "C", ExchangeKind: broker.Fanout, Queue: "C", Queues: []string{"C", "C-1"},
	ReaderStatus: "C.reader.status", WriterStatus: "C.writer.status", Dead: "C.dead"}

// The order of the wire contract, and nothing is bound before it is there. The principal makes the whole group's queues: others never create.
func TestStepsOfEachTask(t *testing.T) {
	bare := Resources{Queue: "q"}
	for _, test := range []struct {
		name  string
		steps []step
		want  string
	}{
		{"create", groupOfTwo.create(), `declare exchange "C"; declare queue "C.dead"; declare queue "C"; bind queue "C" to exchange "C"; ` +
			`declare queue "C-1"; bind queue "C-1" to exchange "C"; declare queue "C.reader.status"; declare queue "C.writer.status"`},
		{"await", groupOfTwo.await(), `inspect exchange "C"; inspect queue "C"; inspect queue "C.reader.status"; inspect queue "C.writer.status"`},
		{"await, default exchange, no status", bare.await(), `inspect queue "q"`},
		{"delete", groupOfTwo.delete(), `inspect queue "C"; delete queue "C"; inspect queue "C-1"; delete queue "C-1"; delete exchange "C"; delete queue "C.reader.status"; delete queue "C.writer.status"; inspect queue "C.dead"; delete queue "C.dead"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := describeAll(test.steps); got != test.want {
				t.Errorf("\n%s, want\n%s", got, test.want)
			}
		})
	}
}

// What has consumers or bindings is waited for; streams go at once, since the broker cannot see their consumers.
func TestWhatIsInUseIsNotDeletedYet(t *testing.T) {
	var unused []string
	for _, s := range groupOfTwo.delete() {
		switch r := s.request.(type) {
		case broker.DeleteQueue:
			if r.IfUnused && s.wait != nil && s.wait(fmt.Errorf("x: %w", broker.ErrInUse)) {
				unused = append(unused, r.Name)
			}
		case broker.DeleteExchange:
			if r.IfUnused && s.wait != nil && s.wait(broker.ErrInUse) {
				unused = append(unused, "exchange "+r.Name)
			}
		}
	}
	if want := []string{"C", "C-1", "exchange C"}; !slices.Equal(unused, want) {
		t.Errorf("%q are deleted only when unused, want %q", unused, want)
	}
}

// What a peer has declared without our arguments is accepted; an exchange of another kind is not.
func TestQueuesOfOtherArgumentsAreAccepted(t *testing.T) {
	for _, s := range groupOfTwo.create() {
		_, queue := s.request.(broker.DeclareQueue)
		if accepts := s.accept != nil && s.accept(broker.ErrWrongType); accepts != queue {
			t.Errorf("%s: accepts another type: %v", s.request, accepts)
		}
	}
}

func TestDataQueueOfEachReplica(t *testing.T) {
	for index, want := range []string{"C", "C-1", "C-2"} {
		if got := DataQueue("C", index); got != want {
			t.Errorf("%d: %s", index, got)
		}
	}
}
