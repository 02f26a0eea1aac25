package sim

import (
	"fmt"
	"hash/fnv"
	"io"
	"reflect"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/messages"
)

// mix takes two numbers into the trace.
func (w *World) mix(a, b uint64) {
	h := w.Hash
	h = (h ^ a) * 0x9E3779B97F4A7C15
	h ^= h >> 29
	h = (h ^ b) * 0xBF58476D1CE4E5B9
	h ^= h >> 32
	w.Hash = h
}

// digest is what the trace keeps of a message: its type and its numbers.
func (w *World) digest(m any) uint64 {
	m = bare(m)
	d := w.typeID(m)
	mixed := func(numbers ...uint64) uint64 {
		for _, n := range numbers {
			d = d*31 + n*7919
		}
		return d
	}
	switch m := m.(type) {
	case *messages.Publish:
		return mixed(m.Epoch, m.Batch.First, uint64(len(m.Batch.Records)))
	case *messages.Confirmed:
		return mixed(m.Epoch, m.First, m.Last)
	case *messages.Refused:
		return mixed(m.Epoch, m.First, m.Last)
	case *messages.Delivered:
		return mixed(m.Epoch, m.First, uint64(len(m.Records)))
	case *messages.Acknowledge:
		return mixed(m.Epoch, m.Tag)
	case *messages.SendStatus:
		return mixed(m.Epoch, m.Seq, uint64(m.Status.Timestamp))
	case *messages.PeersSaid:
		return mixed(m.Epoch, m.Next, uint64(len(m.Statuses)))
	case *messages.Ready:
		return mixed(m.Epoch)
	case *messages.Pong:
		return mixed(m.Epoch, m.N)
	case *broker.Delivered:
		return mixed(m.First, uint64(len(m.Records)))
	case *broker.Confirmed:
		return mixed(m.First, m.Last)
	}
	return d
}

// typeID is the same in every process.
func (w *World) typeID(m any) uint64 {
	t := reflect.TypeOf(m)
	id, known := w.types[t]
	if !known {
		h := fnv.New64a()
		io.WriteString(h, t.String())
		id = h.Sum64()
		w.types[t] = id
	}
	return id
}

func bare(m any) any {
	if envelope, ok := m.(*actor.MessageEnvelope); ok {
		return envelope.Message
	}
	return m
}

// Logf writes a line of the run's text, where there is a Log.
func (w *World) Logf(format string, args ...any) {
	if w.Log != nil {
		fmt.Fprintf(w.Log, "%14v  %s\n", w.now, fmt.Sprintf(format, args...))
	}
}

func (w *World) logMessage(m *Mailbox, msg any) {
	if w.Log != nil {
		msg = bare(msg)
		w.Logf("%-34s %T %s", m.pid.Id, msg, show(msg))
	}
}

// show gives what is worth reading of a message.
func show(m any) string {
	switch m := m.(type) {
	case *messages.Publish:
		return fmt.Sprintf("epoch %d, %d to %d", m.Epoch, m.Batch.First, m.Batch.Last())
	case *messages.Delivered:
		return fmt.Sprintf("epoch %d, tags %d to %d", m.Epoch, m.First, m.Last())
	case *broker.Delivered:
		return fmt.Sprintf("tags %d to %d", m.First, m.Last())
	case *messages.SendStatus:
		return fmt.Sprintf("epoch %d, %d %s", m.Epoch, m.Seq, m.Status.Kind)
	case *messages.PeersSaid:
		text := fmt.Sprintf("epoch %d, next %d, history %v:", m.Epoch, m.Next, m.History)
		for _, s := range m.Statuses {
			text += fmt.Sprintf(" %s %s %d;", s.Context, s.Kind, s.Timestamp)
		}
		return text
	case *messages.Write:
		return fmt.Sprintf("%d records", len(m.Records))
	case *messages.Commit:
		return fmt.Sprintf("epoch %d, tags %d to %d", m.Batch.Epoch, m.Batch.First, m.Batch.Last)
	case *messages.Cycles, *messages.Demand, *messages.Close, *messages.Open, *messages.Withdraw, *broker.Pending:
		return ""
	case *actor.Failure:
		return fmt.Sprintf("%s: %v", m.Who.Id, m.Reason)
	case *actor.Terminated:
		return m.Who.Id
	case *broker.Opened, *broker.Confirmed, *broker.Refused, *broker.Ended, *broker.Blocked, *messages.Acknowledge, *messages.Confirmed,
		*messages.Refused, *messages.Ready, *messages.NotYet, *messages.StatusSent, *messages.Stalled, *messages.Blocked, *messages.Measured,
		*messages.Ping, *messages.Pong, *messages.Tick, *messages.Finish, *messages.Finished, *messages.StopFailed:
		return fmt.Sprintf("%+v", reflect.ValueOf(m).Elem().Interface())
	}
	return ""
}
