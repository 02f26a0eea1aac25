package main

import (
	"context"
	"encoding/binary"
	"errors"
	"strings"
	"testing"
	"time"
)

// echo delivers what is attempted, once it is up.
type echo struct {
	up   chan struct{}
	seen func([]byte)
}

func (e *echo) attempt(ctx context.Context, body []byte) error {
	select {
	case <-e.up:
		e.seen(body)
		return nil
	default:
		return errors.New("down")
	}
}

func (e *echo) close(context.Context) error { return nil }

// A record counts only when it was attempted after the moment, and the time is that until it arrives.
func TestRideCountsFromTheMoment(t *testing.T) {
	r := newRide("echo")
	up := make(chan struct{})
	since := r.from()
	old := binary.BigEndian.AppendUint64(nil, uint64(since-1))
	r.seen(old)
	r.seen([]byte("no stamp"[:3]))
	select {
	case at := <-r.first:
		t.Fatalf("a record from before counts, at %v", at)
	default:
	}
	r.start(t.Context(), &echo{up, r.seen})
	const down = 50 * time.Millisecond
	time.AfterFunc(down, func() { close(up) })
	took, back, err := r.back(t.Context(), since)
	if err != nil || !back || took < down-time.Millisecond {
		t.Errorf("%v, %v, %v", took, back, err)
	}
	if err := r.end(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestRecoveryTables(t *testing.T) {
	ms := time.Millisecond
	v := &recovery{Trials: []trial{
		{quorum, loopRaw, faultKill, 0, 300 * ms, true}, {quorum, recoveryWeir, faultKill, 0, 350 * ms, true},
		{quorum, loopRaw, faultKill, 1, 200 * ms, true}, {quorum, recoveryWeir, faultKill, 1, 350 * ms, true},
		{quorum, loopRaw, faultKill, 2, 400 * ms, true}, {quorum, recoveryWeir, faultKill, 2, 420 * ms, true},
		{quorum, recoveryWeir, faultReset, 0, 20 * ms, true}, {quorum, recoveryWeir, faultReset, 0, 30 * ms, true}, {quorum, recoveryWeir, faultReset, 0, 300 * ms, true},
		{quorum, aloneRaw, faultReset, 0, 0, false},
	}}
	text := v.recoveryTables()
	for _, line := range []string{
		"| quorum | weir | 3 | 30.0 ms | 300.0 ms | 300.0 ms | 3 + 0 | 350.0 ms | 420.0 ms | – | – |",
		"| quorum | amqp091-go alone | 1 | never | never | never | 0 + 0 | – | – | – | – |",
		"| quorum, reset, p50 | 30.0 ms | ≤ 50.0 ms | met |",
		"| quorum, reset, p99 | 300.0 ms | ≤ 250.0 ms | **not met** |",
		"| quorum, kill -9: behind the loop by hand, p50 (worst 150.0 ms) | 50.0 ms | ≤ 100.0 ms | met |",
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("there is no line\n%s\nin\n%s", line, text)
		}
	}
}

// Whoever does not come back is behind everybody, and the floor's own absence is nobody's fault.
func TestBehindTheFloor(t *testing.T) {
	v := &recovery{Trials: []trial{
		{classic, loopRaw, faultStop, 0, time.Second, true}, {classic, recoveryWeir, faultStop, 0, 0, false},
		{classic, loopRaw, faultStop, 1, 0, false}, {classic, recoveryWeir, faultStop, 1, time.Second, true},
	}}
	if all := v.behindFloor(classic, recoveryWeir, faultStop); len(all) != 1 || all[0] != never {
		t.Errorf("%v", all)
	}
}
