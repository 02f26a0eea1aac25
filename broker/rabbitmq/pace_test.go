package rabbitmq

import (
	"testing"
	"time"

	"github.com/d2e2d648/weir/broker"
)

// timings are what a broker does to records that are timed, one after the other: how many it settles in which time.
func TestPaceLimit(t *testing.T) {
	type timing struct {
		settles int
		took    time.Duration
		limit   int // behind it
	}
	const ms = time.Millisecond
	for name, test := range map[string][]timing{
		"near: more only waits there":       {{1, ms / 2, 251}, {250, 5 * ms, 275}, {275, 5 * ms, 277}},
		"far: as many as the way holds":     {{250, 20 * ms, 500}, {500, 20 * ms, 750}, {750, 20 * ms, 1000}},
		"slow once, then near":              {{10, 20 * ms, 260}, {260, 2 * ms, 510}, {510, 20 * ms, 301}},
		"no time at all, as coarse clocks":  {{5, 0, 255}, {5, 0, 255}},
		"idle: one at a time, nothing else": {{1, ms, 251}, {1, 3 * ms, 250}},
	} {
		t.Run(name, func(t *testing.T) {
			p := pace{limit: paceSpare}
			now, done := time.Unix(0, 0), uint64(0)
			for i, timing := range test {
				p.time(uint64(i+1), done, now)
				if p.idle() {
					t.Fatal("nothing is timed")
				}
				now, done = now.Add(timing.took), done+uint64(timing.settles)
				p.confirmed(done, now)
				if p.limit != timing.limit || !p.idle() {
					t.Errorf("timing %d: the limit is %d, want %d", i, p.limit, timing.limit)
				}
			}
		})
	}
}

func TestPaceRoom(t *testing.T) {
	p := pace{limit: 250}
	for _, test := range []struct{ waiting, inFlight, want int }{
		{0, 0, 0},
		{1000, 0, 250},
		{1000, 151, 0}, // fewer than a refill
		{1000, 150, 100},
		{99, 151, 99}, // all that waits
		{10, 250, 0},
		{10, 300, 0}, // the limit has become less
	} {
		if got := p.room(test.waiting, test.inFlight); got != test.want {
			t.Errorf("%d wait, %d are in flight: %d may go, want %d", test.waiting, test.inFlight, got, test.want)
		}
	}
}

// Of a window that is full a session keeps back what the pace does not allow, sends more when confirms come, and all of it when it is closed.
func TestPacedPublishing(t *testing.T) {
	const window = 1000
	seen, confirm := make(chan [3]int, 1), make(chan uint64)
	b := startFake(t, func(c *fakeConn) {
		if !c.open() {
			return
		}
		records := [3]int{} // by AMQP channel
		c.serve(func(f frame) {
			switch {
			case f.method() == basicPublish && f.channel == 2:
				seen <- records
				c.write(appendAck(nil, 1, <-confirm, true))
			case f.method() == basicPublish:
				records[f.channel]++
			case f.method() == channelClose && f.channel == 1:
				seen <- records
			}
		})
	})
	p := b.port(nil)
	publisher, events := openPublisher(t, p, broker.PublisherConfig{Window: window})
	await[*broker.Opened](t, events)
	other, others := openPublisher(t, p, broker.PublisherConfig{Window: window})
	await[*broker.Opened](t, others)

	// what the other session publishes comes behind all that this one may send
	sent := func(marker, confirmed uint64) int {
		other.Publish(one(marker, "marker"))
		records := <-seen
		confirm <- confirmed
		return records[1]
	}
	publisher.Publish(broker.Batch{First: 1, Records: benchmarkRecords(window, 4)})
	if n := sent(1, paceSpare); n != paceSpare {
		t.Errorf("%d records are sent at once, want %d", n, paceSpare)
	}
	if c := await[*broker.Confirmed](t, events); c.Last != paceSpare {
		t.Errorf("confirmed up to %d", c.Last)
	}
	// the first confirm took the shortest time that there was: as many more as it confirmed
	if n := sent(2, paceSpare+1); n != 3*paceSpare {
		t.Errorf("%d records are sent behind the confirm, want %d", n, 3*paceSpare)
	}
	publisher.Close()
	if records := <-seen; records[1] != window {
		t.Errorf("%d records are sent before the channel is closed, want %d", records[1], window)
	}
	if err := events.ended(t); err != nil {
		t.Errorf("ended: %v", err)
	}
}
