package supervisor

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/d2e2d648/weir/messages"
)

// readersPeers are those of a reader: all that it hears are writers.
func readersPeers() peers {
	return newPeers(messages.Endpoint{Side: messages.Reading, Name: "C@me", Context: "me"}, 1, DefaultPeerTimeout, DefaultHealthInterval)
}

// Live messages count from when they arrived, replayed ones from when they were said, and neither makes the other younger than it is.
func TestAgeOfHistoryAndOfLiveMessages(t *testing.T) {
	ago := func(d time.Duration) int64 { return after(-d).UnixMilli() }
	for _, test := range []struct {
		name string
		say  func(p *peers)
		seen time.Duration // before noon
	}{
		{"live, with a clock that is hours behind", func(p *peers) { p.apply(status("a", health, ago(5*time.Hour)), theirs, live, noon) }, 0},
		{"live, with a clock that is hours ahead", func(p *peers) { p.apply(status("a", health, ago(-5*time.Hour)), theirs, live, noon) }, 0},
		{"replayed", func(p *peers) { p.apply(status("a", health, ago(90*sec)), theirs, replayed, noon) }, 90 * sec},
		{"replayed, the older one last", func(p *peers) {
			p.apply(status("a", health, ago(90*sec)), theirs, replayed, noon)
			p.apply(status("a", started, ago(100*sec)), theirs, replayed, noon)
		}, 90 * sec},
		{"replayed behind a live one", func(p *peers) {
			p.apply(status("a", health, ago(0)), theirs, live, after(-10*sec))
			p.apply(status("a", started, ago(50*sec)), theirs, replayed, noon)
		}, 10 * sec},
		{"live behind the future", func(p *peers) {
			p.apply(status("a", health, ago(-time.Hour)), theirs, replayed, after(-10*sec))
			p.apply(status("a", health, ago(0)), theirs, live, noon)
		}, 0},
		{"replayed from long before there were computers", func(p *peers) { p.apply(status("a", health, -1<<53), theirs, replayed, noon) }, math.MaxInt64},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := testPeers()
			test.say(&p)
			got := p.snapshot(noon).All[0]
			if age := noon.Sub(got.LastSeen); age != test.seen || got.Healthy != (test.seen < DefaultPeerTimeout) {
				t.Errorf("last seen %s ago, want %s; healthy %v", age, test.seen, got.Healthy)
			}
		})
	}
}

// The time of each kind is that of the last message of that kind, also when that was older.
func TestTimesOfEachKind(t *testing.T) {
	p := testPeers()
	for i, k := range []messages.Kind{opened, health, started, waiting, acked, stopped, closed, failed} {
		p.apply(status("a", k, int64(100+i)), theirs, how(i%2 == 0), noon)
	}
	p.apply(status("a", health, 40), theirs, live, noon)
	times := p.snapshot(noon).All[0].Times
	for k, want := range map[messages.Kind]int64{opened: 100, health: 40, started: 102, waiting: 103, acked: 104, stopped: 105, closed: 106, failed: 107} {
		if got := times.At(k); got != want {
			t.Errorf("%s at %d, want %d", k, got, want)
		}
	}
}

// A live message that is older than another is told with how much, and counts all the same. In the history, where that is no news, it is not.
func TestLateStatuses(t *testing.T) {
	p := testPeers()
	for i, step := range []struct {
		kind    messages.Kind
		at      int64
		history bool
		late    time.Duration
	}{
		{opened, 1000, false, 0},
		{health, 1000, false, 0}, // a tie is not late
		{health, 970, false, 30 * time.Millisecond},
		{health, 990, false, 10 * time.Millisecond}, // than the greatest, not than the last
		{health, 100, true, 0},
		{stopped, 1000, false, 0},
		{health, 1001, false, 0},
		{health, 1000, false, time.Millisecond},
	} {
		if n := p.apply(status("a", step.kind, step.at), theirs, how(step.history), noon); n.late != step.late {
			t.Errorf("step %d: late by %s, want %s", i, n.late, step.late)
		}
	}
	if got := p.snapshot(noon).All[0]; got.State != stopped || got.Times.At(health) != 1000 {
		t.Errorf("%+v", got)
	}
}

// A peer's clock may be wrong by more than a time.Duration holds: what is told of it is large and has the right sign all the same.
func TestClocksThatAreWrongByAges(t *testing.T) {
	const century = 100 * 365 * 24 * time.Hour
	for bits := 43; bits <= 53; bits++ { // 2^43 ms are 279 years, a time.Duration holds 292
		p := testPeers()
		p.apply(status("ahead", opened, 1<<bits), theirs, live, noon)
		p.apply(status("behind", opened, -1<<bits), theirs, live, noon)
		all := p.snapshot(noon).All
		if all[0].Skew < century || all[1].Skew > -century {
			t.Errorf("2^%d: skews %s and %s", bits, all[0].Skew, all[1].Skew)
		}
		if n := p.apply(status("ahead", health, noon.UnixMilli()), theirs, live, noon); n.late < century {
			t.Errorf("2^%d: late by %s", bits, n.late)
		}
	}
}

// Who is new is told once, live or not; oneself never.
func TestPeersThatAppear(t *testing.T) {
	p := testPeers()
	for i, step := range []struct {
		status   *messages.Status
		history  bool
		appeared bool
	}{
		{status("a", opened, 1), true, true}, {status("a", opened, 1), true, false}, {status("a", health, 2), false, false},
		{status("b", health, 1), false, true}, {status("me", health, 1), false, false}, {status("me", health, 1), true, false},
	} {
		if n := p.apply(step.status, theirs, how(step.history), noon); n.appeared != step.appeared {
			t.Errorf("step %d: appeared %v", i, n.appeared)
		}
	}
}

// What was given away of peers stays as it was, whatever they say later.
func TestSnapshotOfPeersIsSafeToKeep(t *testing.T) {
	p := testPeers()
	s := status("a", health, 10)
	s.Payload = messages.Payload{{Key: "x", Value: "first"}}
	n := p.apply(s, theirs, live, noon)
	view, kept := p.view(n.peer, noon), p.snapshot(noon)
	before := fmt.Sprintf("%+v %+v", view, kept)
	again := status("a", health, 20)
	again.Payload = messages.Payload{{Key: "x", Value: "second"}}
	p.apply(again, theirs, live, after(sec))
	p.apply(status("a", stopped, 30), theirs, live, after(2*sec))
	p.apply(status("0", opened, 30), theirs, live, after(2*sec)) // sorts before it
	p.apply(status("a", acked, 40), theirs, live, after(2*sec))
	p.forget(after(time.Hour))
	if now := fmt.Sprintf("%+v %+v", view, kept); now != before {
		t.Errorf("was\n%s, is\n%s", before, now)
	}
}

// A mark counts until the next write, which clears it before its records go: one that comes before the confirm of that write is for it. Marks of the history are of earlier writes, so
// they count only while there was none.
func TestAcknowledgedMarks(t *testing.T) {
	hear := func(p *peers, kind messages.Kind) { p.apply(status("a", kind, 10), theirs, live, noon) }
	replay := func(p *peers, kind messages.Kind) { p.apply(status("a", kind, 10), theirs, replayed, noon) }
	hearAgain := func(p *peers, kind messages.Kind) { p.apply(status("a", kind, 10), theirs, again, noon) }
	for _, test := range []struct {
		name string
		do   func(p *peers)
		want bool
	}{
		{"never", func(p *peers) { hear(p, health) }, false},
		{"before any write", func(p *peers) { hear(p, acked) }, true},
		{"what comes behind it changes nothing", func(p *peers) { hear(p, acked); hear(p, health); hear(p, stopped) }, true},
		{"a write clears it", func(p *peers) { hear(p, acked); p.wrote() }, false},
		{"after a write", func(p *peers) { p.wrote(); hear(p, acked) }, true},
		{"after each of two writes", func(p *peers) { p.wrote(); hear(p, acked); p.wrote(); hear(p, acked) }, true},
		{"after the first of two writes", func(p *peers) { p.wrote(); hear(p, acked); p.wrote() }, false},
		{"from the history, before any write", func(p *peers) { replay(p, acked) }, true},
		{"from the history, then a write", func(p *peers) { replay(p, acked); p.wrote() }, false},
		{"from the history, after a write", func(p *peers) { p.wrote(); replay(p, acked) }, false},
		{"replayed after a write, and then heard live", func(p *peers) { p.wrote(); replay(p, acked); hearAgain(p, acked) }, true},
		{"the history does not undo a live one", func(p *peers) { p.wrote(); hear(p, acked); replay(p, acked) }, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := testPeers()
			hear(&p, opened)
			test.do(&p)
			if s := p.snapshot(noon); s.All[0].Acknowledged != test.want || s.AllAcknowledged() != test.want {
				t.Errorf("acknowledged %v, all %v", s.All[0].Acknowledged, s.AllAcknowledged())
			}
		})
	}
	p := testPeers()
	p.apply(status("a", acked, 10), theirs, live, noon)
	p.apply(status("b", opened, 10), theirs, live, noon)
	if s := p.snapshot(noon); !s.All[0].Acknowledged || s.All[1].Acknowledged {
		t.Error("the mark of one is another's")
	}
}

// What peers are waited for to be, from both sides.
func TestWhatPeersAre(t *testing.T) {
	const alive, seen, finished = messages.PeersAlive, messages.PeersSeen, messages.PeersFinished
	lastWeek, justNow := after(-7*24*time.Hour).UnixMilli(), after(-sec).UnixMilli()
	type as struct{ alive, seen, finished bool }
	for _, test := range []struct {
		name    string
		kind    messages.Kind
		at      int64
		history bool
		now     time.Duration // since the endpoint began to listen
		reader  as            // to a reader, the peer is a writer
		writer  as            // to a writer, it is a reader
	}{
		{"started", started, justNow, false, sec, as{true, true, false}, as{true, true, false}},
		{"opened", opened, justNow, false, sec, as{true, true, false}, as{true, true, false}},
		{"no state yet", health, justNow, false, sec, as{true, true, false}, as{true, true, false}},
		{"stopped", stopped, justNow, false, sec, as{false, true, true}, as{false, false, true}},
		{"closed", closed, justNow, false, sec, as{false, true, true}, as{false, false, true}},
		{"in error", failed, justNow, false, sec, as{false, true, false}, as{false, false, false}},
		{"in error, and silent since", failed, justNow, false, 121 * sec, as{false, true, true}, as{false, false, true}},
		{"not heard any more", started, justNow, false, 121 * sec, as{false, false, true}, as{false, false, true}},
		{"started just now, by the history", started, justNow, true, sec, as{false, true, false}, as{false, true, false}},
		{"and not heard since", started, justNow, true, 121 * sec, as{false, false, true}, as{false, false, true}},
		{"closed just now, by the history", closed, justNow, true, sec, as{false, true, true}, as{false, false, true}},
		{"closed last week", closed, lastWeek, true, sec, as{false, true, true}, as{false, false, true}},
		{"stopped last week", stopped, lastWeek, true, sec, as{false, true, true}, as{false, false, true}},
		{"crashed last week, awaited", started, lastWeek, true, 6*sec - 1, as{false, false, false}, as{false, false, false}},
		{"crashed last week, awaited long enough", started, lastWeek, true, 6 * sec, as{false, false, true}, as{false, false, true}},
		{"only health checks last week", health, lastWeek, true, 6 * sec, as{false, false, true}, as{false, false, true}},
	} {
		t.Run(test.name, func(t *testing.T) {
			for side, p := range map[messages.Side]peers{messages.Reading: readersPeers(), messages.Writing: testPeers()} {
				want, others := test.reader, messages.Writing
				if side == messages.Writing {
					want, others = test.writer, messages.Reading
				}
				p.listen(noon)
				p.apply(status("a", test.kind, test.at), others, how(test.history), noon)
				got := func(what messages.PeersAre) bool { n, _ := p.are(what, after(test.now)); return n == 1 }
				if is := (as{got(alive), got(seen), got(finished)}); is != want {
					t.Errorf("to a %s: alive, seen, finished %v, want %v", side, is, want)
				}
			}
		})
	}
}

// Finished is for all: one that is at work keeps it from being so, however many have finished. Who is of one's own group or side does not count for anything.
func TestWhichPeersCount(t *testing.T) {
	for _, test := range []struct {
		name   string
		peers  map[string]messages.Kind // side, context, group
		is     messages.PeersAre
		count  int
		enough bool
	}{
		{"none has finished nothing", nil, messages.PeersFinished, 0, true},
		{"all have", map[string]messages.Kind{"w a": closed, "w b": stopped}, messages.PeersFinished, 2, true},
		{"one has not", map[string]messages.Kind{"w a": closed, "w b": stopped, "w c": started}, messages.PeersFinished, 2, false},
		{"readers do not count", map[string]messages.Kind{"w a": closed, "r b": started, "r c": closed}, messages.PeersFinished, 1, true},
		{"nor one's own group", map[string]messages.Kind{"w a": closed, "w b g": started, "r c g": started}, messages.PeersFinished, 1, true},
		{"another group does", map[string]messages.Kind{"w a": closed, "w b h": started}, messages.PeersFinished, 1, false},
		{"alive: the others", map[string]messages.Kind{"w a": started, "w b h": opened, "w c g": started, "r d": started}, messages.PeersAlive, 2, true},
		{"alive: some, whatever the rest is", map[string]messages.Kind{"w a": started, "w b": closed}, messages.PeersAlive, 1, true},
		{"seen: the others", map[string]messages.Kind{"w a": closed, "w b h": opened, "w c g": started, "r d": started}, messages.PeersSeen, 2, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := readersPeers()
			p.self.Group = "g"
			p.listen(noon)
			for who, kind := range test.peers {
				f := append(strings.Fields(who), "")
				s := status(f[1], kind, noon.UnixMilli())
				s.Group = f[2]
				p.apply(s, map[string]messages.Side{"w": messages.Writing, "r": messages.Reading}[f[0]], live, noon)
			}
			if count, enough := p.are(test.is, after(sec)); count != test.count || enough != test.enough {
				t.Errorf("%d, enough %v; want %d, %v", count, enough, test.count, test.enough)
			}
		})
	}
}

// An error says of each peer of the other side what is known of it, and ends.
func TestPeersAreDescribed(t *testing.T) {
	p := readersPeers()
	if got := p.describe(noon); got != "none was seen" {
		t.Error(got)
	}
	p.apply(status("r", started, 10), messages.Reading, live, noon)
	if got := p.describe(noon); got != "none was seen" {
		t.Errorf("who is on one's own side is described: %s", got)
	}
	p.apply(status("a", started, 10), messages.Writing, live, noon)
	p.apply(status("b", health, 10), messages.Writing, live, after(-1234*time.Millisecond))
	p.apply(status("c", closed, after(-7*24*time.Hour).UnixMilli()), messages.Writing, replayed, noon)
	if got, want := p.describe(noon), "a is started, last heard 0s ago; b is not initialised, last heard 1.2s ago; c is closed, last heard 168h0m0s ago"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	for i := range 20 {
		p.apply(status(fmt.Sprint("d", i), started, 10), messages.Writing, live, noon)
	}
	if got := p.describe(noon); strings.Count(got, "; ") != describeMost || !strings.HasSuffix(got, "; and 15 more") {
		t.Error(got)
	}
}

// A peer says that it closes before its history was read, which never is: the stream is deleted. It is gone all the same; and when it says that it has begun anew, it is not.
func TestWhoClosesBeforeItsHistoryIsReadHasGone(t *testing.T) {
	p := readersPeers()
	says := func(k messages.Kind, at int64, open, finished bool) {
		t.Helper()
		p.apply(status("a", k, at), messages.Writing, again, noon)
		_, is := p.open(noon)
		_, ended := p.are(messages.PeersFinished, noon)
		if is != open || ended != finished {
			t.Errorf("after %s: open %v, finished %v", k, is, ended)
		}
	}
	says(started, 100, true, false)
	says(stopped, 101, true, true)
	says(closed, 102, false, true)
	says(opened, 103, true, false)
}
