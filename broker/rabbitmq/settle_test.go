package rabbitmq

import (
	"math/rand/v2"
	"testing"
)

// modelBroker settles tags as RabbitMQ does: a tag that is not there costs the channel, for a multiple one walks on beyond its tag.
type modelBroker struct {
	t         *testing.T
	unsettled map[uint64]bool
	acked     map[uint64]bool
}

func (m *modelBroker) apply(frames []byte) {
	m.t.Helper()
	for len(frames) > 0 {
		f, size, err := nextFrame(frames)
		if err != nil || size == 0 {
			m.t.Fatal("malformed frame", err)
		}
		frames = frames[size:]
		tag, flag, ok := decodeConfirm(f.payload)
		if !ok || !m.unsettled[tag] {
			m.t.Fatalf("tag %d is not unsettled at the broker", tag)
		}
		switch f.method() {
		case basicReject:
			delete(m.unsettled, tag)
		case basicAck:
			for other := range m.unsettled {
				if other == tag || flag && other < tag {
					delete(m.unsettled, other)
					m.acked[other] = true
				}
			}
		}
	}
}

func TestSettlementAgainstBroker(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for range 1000 {
		s := newSettlement()
		broker := &modelBroker{t, map[uint64]bool{}, map[uint64]bool{}}
		state := map[uint64]string{} // of the owner: acked or rejected
		for range 40 {
			if n := rng.IntN(4); n > 0 {
				for i := range n {
					broker.unsettled[s.handed+uint64(i)+1] = true
				}
				s.hand(n)
			}
			if s.handed == 0 {
				continue
			}
			tag := rng.Uint64N(s.handed) + 1
			switch rng.IntN(4) {
			case 0:
				s.ack(tag, true)
				for i := uint64(1); i <= tag; i++ {
					if state[i] == "" {
						state[i] = "acked"
					}
				}
			case 1:
				s.reject(tag, rng.IntN(2) == 0)
				if state[tag] == "" {
					state[tag] = "rejected"
				}
			default:
				s.ack(tag, false)
				if state[tag] == "" {
					state[tag] = "acked"
				}
			}
			if s.open != int(s.handed)-len(state) {
				t.Fatalf("%d are open, want %d", s.open, int(s.handed)-len(state))
			}
			if rng.IntN(3) == 0 {
				broker.apply(s.encode(nil, 1))
			}
		}
		broker.apply(s.encode(nil, 1))
		for tag := uint64(1); tag <= s.handed; tag++ {
			if open := state[tag] == ""; open != broker.unsettled[tag] {
				t.Fatalf("tag %d: unsettled at the broker %v, the owner says %q", tag, broker.unsettled[tag], state[tag])
			}
			if (state[tag] == "acked") != broker.acked[tag] {
				t.Fatalf("tag %d: acknowledged at the broker %v, the owner says %q", tag, broker.acked[tag], state[tag])
			}
		}
	}
}

func TestSettlementThins(t *testing.T) {
	s := newSettlement()
	s.hand(10)
	for tag := range uint64(7) {
		s.ack(tag+1, false)
	}
	if s.due() != 7 || s.urgent() {
		t.Errorf("%d due, urgent %v: want 7, false", s.due(), s.urgent())
	}
	f, size, err := nextFrame(s.encode(nil, 1))
	tag, multiple, _ := decodeConfirm(f.payload)
	if err != nil || size != 21 || tag != 7 || !multiple {
		t.Errorf("tag %d multiple %v", tag, multiple)
	}
	if again := s.encode(nil, 1); len(again) != 0 {
		t.Errorf("%d bytes more", len(again))
	}
}
