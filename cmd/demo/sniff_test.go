package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/lipgloss"

	"github.com/d2e2d648/weir"
	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/messages"
)

// sniffLimit bounds what a test waits for.
const sniffLimit = 60 * time.Second

func sniffContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), sniffLimit)
	t.Cleanup(cancel)
	return ctx
}

func embeddedRuntime(t *testing.T) *weir.Runtime {
	t.Helper()
	rt := weir.Embedded()
	t.Cleanup(func() {
		if err := rt.Close(sniffContext(t)); err != nil {
			t.Error(err)
		}
	})
	return rt
}

// watched is a sniffer on a channel.
func watched(t *testing.T, rt *weir.Runtime, channel string) *sniffWatch {
	t.Helper()
	c, _, _ := captured("")
	s, err := openSniffer(sniffContext(t), c, rt, channel, false, sniffLimit)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	return &sniffWatch{sniffer: s, roster: newRoster(channel, "localhost:5672", time.Now())}
}

var errSeen = errors.New("seen")

// lookout ends a watch when what it waits for is there.
type lookout struct {
	so   func(*roster) bool
	news []string
}

func (l *lookout) show(r *roster, news []sniffNews) error {
	for i := range news {
		l.news = append(l.news, news[i].text)
	}
	if l.so(r) {
		return errSeen
	}
	return nil
}

// until looks until it is so, and gives the news.
func (w *sniffWatch) until(t *testing.T, so func(*roster) bool) []string {
	t.Helper()
	l := &lookout{so: so}
	if err := w.watch(sniffContext(t), 0, l); !errors.Is(err, errSeen) {
		t.Fatalf("%v; news %q, peers %+v", err, l.news, w.roster.peers)
	}
	return l.news
}

func allHealthy(n int) func(*roster) bool {
	return func(r *roster) bool {
		there := 0
		for _, row := range r.peers {
			if row.health == healthy && row.state == messages.StatusStarted && row.checked > 0 {
				there++
			}
		}
		return there == n && len(r.queues) > 0 && r.queues[0].known
	}
}

// openPeers opens a group of two readers and a writer, who have moved so many records.
func openPeers(t *testing.T, rt *weir.Runtime, channel string, records int) {
	t.Helper()
	ctx := sniffContext(t)
	beat := weir.HealthInterval(50 * time.Millisecond)
	r, err := weir.OpenReader(ctx, rt, channel, weir.Text(), weir.Name("worker-0"), weir.Group("workers", 0, 2), beat)
	if err != nil {
		t.Fatal(err)
	}
	w, err := weir.OpenWriter(ctx, rt, channel, weir.Text(), weir.Name("shop"), beat, weir.OnHealthCheck(func() weir.Payload {
		return weir.Payload{{Key: "queueDepth", Value: 7}, {Key: "zone", Value: "eu\x1b[2J"}, {Key: "limits", Value: map[string]any{"cpu": 2}}}
	}))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(ctx, slices.Repeat([]string{"x"}, records)...); err != nil {
		t.Fatal(err)
	}
	for got := 0; got < records; {
		b, err := r.Read(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Commit(ctx); err != nil {
			t.Fatal(err)
		}
		got += len(b.Values)
	}
	if _, err := weir.OpenReader(ctx, rt, channel, weir.Text(), weir.Name("worker-1"), weir.Group("workers", 1, 2), beat); err != nil {
		t.Fatal(err)
	}
}

// steady gives a roster's figures that no two runs share fixed values.
func steady(r *roster) {
	r.began = r.at.Add(-83 * time.Second)
	for _, row := range r.peers {
		row.age, row.skews = 400*time.Millisecond, []time.Duration{-90 * time.Millisecond, -2 * time.Millisecond, -3 * time.Millisecond}
		row.rate, row.rated = float64(row.records)/2, true
		for i, e := range row.payload {
			if strings.HasPrefix(e.Key, "average") || strings.HasPrefix(e.Key, "elapsed") {
				row.payload[i].Value = json.Number("12.345")
			}
		}
	}
}

func TestSniffScreenShowsEmbeddedPeers(t *testing.T) {
	rt := embeddedRuntime(t)
	openPeers(t, rt, "orders", 1200)
	w := watched(t, rt, "orders")
	w.until(t, func(r *roster) bool {
		return allHealthy(3)(r) && r.peers[0].records == 1200 && r.peers[2].records == 1200 && r.queues[0].info.Consumers == 2 && r.peers[2].entries() != nil
	})
	steady(w.roster)
	for width, want := range map[int]string{
		60: `orders on localhost:5672  sniffing, 83 s
  2 readers, 2 healthy, read 600/s
  1 writer, 1 healthy, written 600/s
  queue orders: 0 ready, 2 consumers

  PEER      ROLE    STATE    HEALTH    SEEN  RECORDS  REC/S
  worker-0  reader  started  healthy  0.4 s    1,200    600
  worker-1  reader  started  healthy  0.4 s        0      0
  shop      writer  started  healthy  0.4 s    1,200    600
  q: end`,
		80: `orders on localhost:5672  sniffing, 83 s
  2 readers, 2 healthy, read 600/s   1 writer, 1 healthy, written 600/s
  queue orders: 0 ready, 2 consumers

  PEER      ROLE    GROUP       STATE    HEALTH    SEEN  RECORDS  REC/S   SKEW
  worker-0  reader  workers 0*  started  healthy  0.4 s    1,200    600  -2 ms
  worker-1  reader  workers 1   started  healthy  0.4 s        0      0  -2 ms
  shop      writer              started  healthy  0.4 s    1,200    600  -2 ms
  q: end   *: principal of its group`,
		160: `orders on localhost:5672  sniffing, 83 s
  2 readers, 2 healthy, read 600/s   1 writer, 1 healthy, written 600/s
  queue orders: 0 ready, 2 consumers

  PEER      ROLE    GROUP       STATE    HEALTH    SEEN  RECORDS  REC/S   SKEW  MS/CALL  MS/REC  REC/CALL  IDLE MS  ENTRIES
  worker-0  reader  workers 0*  started  healthy  0.4 s    1,200    600  -2 ms     12.3    12.3      12.3     12.3
  worker-1  reader  workers 1   started  healthy  0.4 s        0      0  -2 ms     12.3    12.3      12.3     12.3
  shop      writer              started  healthy  0.4 s    1,200    600  -2 ms     12.3    12.3      12.3     12.3  queueDepth=7 zone=eu�[2J limits={"cpu":2}
  q: end   *: principal of its group`,
	} {
		if got := drawn(w.roster, nil, width, 40); got != want {
			t.Errorf("at %d columns:\n%s\nwant:\n%s", width, got, want)
		}
	}
}

// drawn draws a roster as the screen does, without colours.
func drawn(r *roster, news []sniffNews, width, height int) string {
	p := &sniffPicture{width: width, height: height}
	p.take(&sniffView{rows: r.peers, head: r.head(), news: news})
	lines := strings.Split(p.draw(true), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " ")
	}
	return strings.Join(lines, "\n")
}

// sniffed builds looks by hand.
type sniffed struct {
	roster *roster
	now    time.Time
	peers  []messages.Peer
	queues []queueSeen
	deaf   map[messages.Side]string
}

func newSniffed() *sniffed {
	began := time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	return &sniffed{roster: newRoster("pipeline.reader.in", "localhost:5672", began), now: began}
}

// peer adds one, or gives the one of that name.
func (s *sniffed) peer(side messages.Side, name string) *messages.Peer {
	for i := range s.peers {
		if s.peers[i].Context == name {
			return &s.peers[i]
		}
	}
	s.peers = append(s.peers, messages.Peer{Endpoint: messages.Endpoint{Side: side, Name: "pipeline.reader.in@" + name, Context: name}, Awaited: true})
	return s.peer(side, name)
}

// says lets a peer say something, live or as it was replayed.
func (s *sniffed) says(p *messages.Peer, kind messages.Kind, live bool, records string) {
	at := s.now.UnixMilli()
	p.Times.Set(kind, at)
	if kind.IsState() && at >= p.Changed {
		p.State, p.Changed = kind, at
	}
	if records != "" {
		p.Payload = messages.Payload{{Key: messages.ReceivedRecordCount, Value: json.Number(records)}}
	}
	p.LastSeen, p.Healthy = s.now, true
	if live {
		p.Heard, p.Awaited = true, false
	}
}

// passes lets time go by without a word.
func (s *sniffed) passes(d time.Duration) {
	s.now = s.now.Add(d)
	for i := range s.peers {
		p := &s.peers[i]
		p.Healthy = s.now.Sub(p.LastSeen) < 120*time.Second
		p.Awaited = p.Awaited && s.now.Sub(s.roster.began) < sniffListen
	}
}

// look gives the news.
func (s *sniffed) look() (news []string) {
	seen := &sighting{at: s.now, peers: slices.Clone(s.peers), queues: s.queues, deaf: s.deaf}
	for _, n := range s.roster.take(seen) {
		news = append(news, n.text)
	}
	return news
}

func (s *sniffed) mustTell(t *testing.T, want ...string) {
	t.Helper()
	if got := s.look(); !slices.Equal(got, want) {
		t.Errorf("news %q, want %q", got, want)
	}
}

func TestSniffTellsWhatChanges(t *testing.T) {
	s := newSniffed()
	s.says(s.peer(messages.Writing, "gone"), messages.StatusClosed, false, "")
	s.says(s.peer(messages.Writing, "crashed"), messages.StatusStarted, false, "")
	s.passes(time.Hour)
	s.roster.began = s.now
	p := s.peer(messages.Reading, "pipeline.reader.in-1")
	s.says(p, messages.StatusOpened, false, "")
	s.peers[0].Awaited, s.peers[1].Awaited, p.Awaited = true, true, true
	s.mustTell(t) // who is known from history may be heard yet
	s.passes(time.Second)
	s.says(p, messages.StatusStarted, false, "")
	s.says(p, messages.StatusHealthCheck, true, "10")
	s.mustTell(t, "pipeline.reader.in-1 (reader) is there: started, healthy")
	s.passes(5 * time.Second)
	s.says(p, messages.StatusHealthCheck, true, "60")
	s.mustTell(t, "crashed (writer) is known from history only: started, 60 min ago", "1 peer had closed before")
	if rate, known := s.roster.peers[0].speed(); !known || rate != 10 {
		t.Errorf("50 records in 5 s are %v/s, %v", rate, known)
	}

	s.passes(15 * time.Second) // three of the peer's own health intervals
	s.mustTell(t)
	s.passes(time.Second)
	s.mustTell(t, "pipeline.reader.in-1 (reader) is late: last heard 16 s ago")
	if _, known := s.roster.peers[0].speed(); known {
		t.Error("the speed of long ago is shown")
	}
	s.passes(2 * time.Minute)
	s.mustTell(t, "pipeline.reader.in-1 (reader) is unhealthy: last heard 2 min ago")
	s.says(p, messages.StatusHealthCheck, true, "70")
	s.mustTell(t, "pipeline.reader.in-1 (reader) is healthy again")

	s.passes(time.Millisecond)
	s.says(p, messages.StatusStopped, true, "")
	s.passes(time.Millisecond)
	s.says(p, messages.StatusClosed, true, "")
	s.mustTell(t, "pipeline.reader.in-1 (reader): started → stopped → closed")
	s.passes(time.Second)
	s.says(p, messages.StatusOpened, true, "")
	s.passes(time.Millisecond)
	s.says(p, messages.StatusHealthCheck, true, "0")
	s.mustTell(t, "pipeline.reader.in-1 (reader): closed → opened")
	if row := s.roster.peers[0]; row.rated || row.records != 0 {
		t.Errorf("it began anew: %d records, rated %v", row.records, row.rated)
	}
	s.passes(time.Millisecond)
	s.says(p, messages.StatusError, true, "")
	s.mustTell(t, "pipeline.reader.in-1 (reader): opened → error")
	p.Times.Set(messages.StatusStopped, s.now.UnixMilli()+1) // which a peer says behind its error, and is no state then
	p.Times.Set(messages.StatusClosed, s.now.UnixMilli()+2)
	s.mustTell(t)
	s.says(s.peer(messages.Writing, "crashed"), messages.StatusStarted, true, "")
	s.mustTell(t, "crashed (writer) is heard now: healthy")
}

func TestSniffKnowsItsOwnDeafness(t *testing.T) {
	s := newSniffed()
	p := s.peer(messages.Reading, "r")
	s.says(p, messages.StatusStarted, true, "")
	s.mustTell(t, "r (reader) is there: started, healthy")
	s.deaf = map[messages.Side]string{messages.Reading: "no route\x07"}
	s.mustTell(t, "readers cannot be heard: no route�; tries again")
	s.passes(10 * time.Second)
	s.mustTell(t)
	if text := drawn(s.roster, nil, 80, 24); !strings.Contains(text, "  readers cannot be heard: no route�; tries again\n") || !strings.Contains(text, "late") {
		t.Error(text)
	}
	s.deaf = nil
	s.mustTell(t, "readers are heard again")
	s.says(p, messages.StatusHealthCheck, true, "")
	s.mustTell(t, "r (reader) is healthy again")
}

func TestSniffIsNotMisledByHistoryBehindLiveStatuses(t *testing.T) {
	s := newSniffed()
	p := s.peer(messages.Reading, "r")
	began := s.now
	s.passes(time.Hour)
	s.roster.began = s.now
	s.says(p, messages.StatusHealthCheck, true, "500")
	p.Changed = s.now.UnixMilli() // while there is no state, any message sets it
	s.mustTell(t)                 // its history may not have been read yet
	s.passes(stateWithin)
	s.mustTell(t, "r (reader) is there: new, healthy")
	p.Times.Set(messages.StatusOpened, began.UnixMilli()) // replayed, and not taken for its state
	p.Times.Set(messages.StatusStarted, began.UnixMilli())
	p.Times.Set(messages.StatusHealthCheck, began.UnixMilli())
	p.Payload = messages.Payload{{Key: messages.ReceivedRecordCount, Value: json.Number("3")}}
	s.mustTell(t) // it is no news
	if row := s.roster.peers[0]; row.records != 500 || row.state != messages.StatusStarted {
		t.Errorf("%s with %d records", row.state, row.records)
	}
	s.passes(time.Second)
	s.says(p, messages.StatusStopped, true, "")
	s.mustTell(t, "r (reader): started → stopped")
}

func TestSniffTableLabels(t *testing.T) {
	s := newSniffed()
	s.queues = []queueSeen{{name: "pipeline.reader.in", main: true, known: true, exists: true, info: broker.QueueInfo{Ready: 1234, Consumers: 1}},
		{name: "pipeline.reader.in.dead", known: true, exists: true, info: broker.QueueInfo{Ready: 3}}, {name: "pipeline.reader.in-1", main: true, known: true},
		{name: "pipeline.reader.in-2", main: true, err: errors.New("no\nline")}, {name: "pipeline.reader.in-3", main: true, err: broker.ErrUnavailable}, {name: "pipeline.reader.in-4", main: true, err: broker.ErrUnavailable}}
	s.says(s.peer(messages.Writing, "old"), messages.StatusClosed, false, "")
	s.says(s.peer(messages.Writing, "lost"), messages.StatusError, true, "")
	s.says(s.peer(messages.Reading, "history"), messages.StatusOpened, false, "")
	s.passes(5 * 24 * time.Hour)
	s.says(s.peer(messages.Writing, "late"), messages.StatusStarted, true, "")
	s.passes(7 * time.Second)
	principal := s.peer(messages.Reading, "pipeline.a_very_long_operator_name.in_0")
	principal.Group, principal.Skew = "pipeline.a_very_long_operator_name.in", -3*time.Hour
	s.says(principal, messages.StatusStarted, true, "")
	s.says(principal, messages.StatusHealthCheck, true, "1234567")
	s.says(principal, messages.StatusWaitingForSchema, true, "")
	s.says(s.peer(messages.Writing, "日本\x1b]0;x\a"), messages.StatusHealthCheck, true, "")
	s.peers[5].Skew = 1500 * time.Millisecond
	news := s.roster.take(&sighting{at: s.now, peers: s.peers, queues: s.queues})
	for width, want := range map[int]string{
		140: `pipeline.reader.in on localhost:5672  sniffing, 5 d
  1 reader, 1 healthy   2 writers, 1 healthy
  queue pipeline.reader.in: 1,234 ready, 1 consumer   3 dead letters   pipeline.reader.in-2 cannot be asked: no
  queues cannot be asked: the broker cannot be reached

  PEER                                     ROLE    GROUP                 STATE    HEALTH         SEEN    RECORDS    SKEW  ENTRIES
  pipeline.a_very_long_operator_name.in_0  reader  pipeline.a…ame.in 0*  started  healthy       0.0 s  1,234,567    -3 h  waits for a schema
  late                                     writer                        started  late          7.0 s              +0 ms
  日本�]0;x�                               writer                        new      healthy       0.0 s          0  +1.5 s
  history                                  reader                        opened   history only    5 d
  lost                                     writer                        error    unhealthy       5 d              +0 ms
  old                                      writer                        closed   closed          5 d

  12:00:07  lost (writer) is there: error, unhealthy
  12:00:07  history (reader) is known from history only: opened, 5 d ago
  12:00:07  late (writer) is there: started, late
  12:00:07  pipeline.a_very_long_operator_name.in_0 (reader, pipeline.a_very_long_operator_name.in 0*) is there: started, healthy
  12:00:07  1 peer had closed before
  q: end   *: principal of its group`,
		80: `pipeline.reader.in on localhost:5672  sniffing, 5 d
  1 reader, 1 healthy   2 writers, 1 healthy
  queue pipeline.reader.in: 1,234 ready, 1 consumer   3 dead letters
  pipeline.reader.in-2 cannot be asked: no
  queues cannot be asked: the broker cannot be reached

  PEER                           ROLE    STATE    HEALTH         SEEN    RECORDS
  pipeline.a_ver…ator_name.in_0  reader  started  healthy       0.0 s  1,234,567
  late                           writer  started  late          7.0 s
  日本�]0;x�                     writer  new      healthy       0.0 s          0
  history                        reader  opened   history only    5 d
  lost                           writer  error    unhealthy       5 d
  old                            writer  closed   closed          5 d

  12:00:07  lost (writer) is there: error, unhealthy
  12:00:07  history (reader) is known from history only: opened, 5 d ago
  12:00:07  late (writer) is there: started, late
  12:00:07  pipeline.a_very_long_operator_name…in 0*) is there: started, healthy
  12:00:07  1 peer had closed before
  q: end`,
	} {
		if got := drawn(s.roster, news, width, 40); got != want {
			t.Errorf("at %d columns:\n%s\nwant:\n%s", width, got, want)
		}
	}
}

func TestSniffScreenFitsTheTerminal(t *testing.T) {
	s := newSniffed()
	for i := range 30 {
		p := s.peer(messages.Reading, fmt.Sprintf("reader-%02d-of-a-long-name-日本語-%d", i, i))
		p.Group, p.GroupIndex = "the group of the readers", i
		s.says(p, messages.StatusStarted, true, "")
		s.says(p, messages.StatusHealthCheck, true, "123456789012")
	}
	s.queues = []queueSeen{{name: "pipeline.reader.in", main: true, known: true}}
	seen := &sighting{at: s.now, peers: s.peers, queues: s.queues}
	news := s.roster.take(seen)
	for width := 1; width < 200; width += 3 {
		for _, height := range []int{1, 2, 5, 10, 12, 24, 60} {
			lines := strings.Split(drawn(s.roster, news, width, height), "\n")
			if len(lines) > height {
				t.Fatalf("%d×%d has %d lines", width, height, len(lines))
			}
			for _, line := range lines {
				if lipgloss.Width(line) > width {
					t.Fatalf("%d×%d has a line of %d: %s", width, height, lipgloss.Width(line), line)
				}
			}
		}
	}
	if text := drawn(s.roster, news, 80, 24); !strings.Contains(text, "more peers: make the terminal higher") || !strings.Contains(text, "no queue pipeline.reader.in") || strings.Count(text, "is there") < 3 {
		t.Error(text)
	}
	if text := drawn(s.roster, news, 40, 60); !strings.Contains(text, "STATE    HEALTH") || !strings.Contains(text, "started  healthy") {
		t.Error(text)
	}
}

func TestSniffScreenAnswersKeysAndSizes(t *testing.T) {
	pressed := 0
	s := newSniffed()
	s.says(s.peer(messages.Reading, "r"), messages.StatusStarted, true, "")
	s.look()
	p := &sniffPicture{press: func() { pressed++ }, width: 100, height: 40}
	for _, m := range []tea.Msg{tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune("q")}, tea.KeyMsg{Type: tea.KeyCtrlC}, tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune("x")},
		&sniffView{rows: s.roster.peers, head: s.roster.head()}} {
		p.Update(m)
	}
	if pressed != 2 || !strings.Contains(p.View(), "PEER") {
		t.Errorf("pressed %d, %s", pressed, p.View())
	}
	whole := p.View()
	p.Update(tea.WindowSizeMsg{Width: 20, Height: 24})
	narrow := p.View()
	p.Update(tea.WindowSizeMsg{Width: 100, Height: 40})
	if narrow == whole || p.View() != whole {
		t.Errorf("%s\nthen\n%s\nthen\n%s", whole, narrow, p.View())
	}
	if _, cmd := p.Update(finished{}); cmd == nil {
		t.Error("it does not end")
	}
}

func TestSniffScreenRunsAndLeavesItsLastPicture(t *testing.T) {
	rt := embeddedRuntime(t)
	openPeers(t, rt, "orders", 1)
	c, out, _ := captured("")
	c.outIsTTY = true
	stop := newStopper()
	defer stop.close()
	cmd := &parseInto(t, "sniff", "orders", "--broker", "amqp://localhost", "--for", "1s").Sniff
	if err := cmd.sniff(c, stop, rt); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	last := text[strings.LastIndex(text, "\x1b"):] // the screen's own end
	for _, want := range []string{"orders on localhost:5672", "PEER", "worker-0", "shop", "queue orders: 0 ready, 2 consumers"} {
		if !strings.Contains(last, want) {
			t.Errorf("no %q in the last picture: %q", want, last)
		}
	}
	if strings.Contains(last, "q: end") {
		t.Errorf("keys that do nothing any more: %q", last)
	}
}

func TestSniffLines(t *testing.T) {
	rt := embeddedRuntime(t)
	openPeers(t, rt, "orders", 5)
	stop := newStopper()
	defer stop.close()
	cmd := &parseInto(t, "sniff", "orders", "--broker", "amqp://localhost", "--every", "1s").Sniff
	var said output
	out := &interrupter{when: "read 0/s; 1 writer, 1 healthy, written 0/s", stop: stop}
	if err := cmd.sniff(&console{out: out, err: &said}, stop, rt); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(out.String(), "\n")
	for _, want := range []string{"worker-0 (reader, workers 0*) is there: started, healthy", "worker-1 (reader, workers 1) is there: started, healthy",
		"shop (writer) is there: started, healthy", "2 readers, 2 healthy, read 0/s; 1 writer, 1 healthy, written 0/s; queue orders: 0 ready, 2 consumers"} {
		if !slices.ContainsFunc(lines, func(line string) bool { _, text, _ := strings.Cut(line, "  "); return text == want }) {
			t.Errorf("no line %q in\n%s", want, out.String())
		}
	}
	if said.String() != "" {
		t.Error(said.String())
	}
}

// takeSnapshot runs --json and decodes what it prints, every field known.
func takeSnapshot(t *testing.T, rt *weir.Runtime, args ...string) *snapshotReport {
	t.Helper()
	c, out, said := captured("")
	stop := newStopper()
	defer stop.close()
	cmd := &parseInto(t, append([]string{"sniff", "--broker", "amqp://localhost", "--json"}, args...)...).Sniff
	if err := cmd.sniff(c, stop, rt); err != nil {
		t.Fatal(err, said)
	}
	return decodeSnapshot(t, out.String())
}

func decodeSnapshot(t *testing.T, text string) *snapshotReport {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	var s snapshotReport
	if err := d.Decode(&s); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return &s
}

func TestSniffSnapshot(t *testing.T) {
	rt := embeddedRuntime(t)
	openPeers(t, rt, "orders", 12)
	s := takeSnapshot(t, rt, "orders", "--listen", "500ms")
	if s.Channel != "orders" || s.Broker != "localhost:5672" || s.Listened < 500 || s.At.IsZero() || len(s.Problems) != 0 || len(s.Peers) != 3 {
		t.Fatalf("%+v", s)
	}
	if q := s.Queues[0]; q.Name != "orders" || !*q.Exists || *q.Ready != 0 || *q.Consumers != 2 || q.Error != nil {
		t.Errorf("%+v", q)
	}
	if q := s.Queues[2]; q.Name != "orders-1" || *q.Exists || q.Ready != nil || q.Consumers != nil {
		t.Errorf("%+v", q)
	}
	p := s.Peers[0]
	if p.Name != "worker-0" || p.UniqueName != "orders@worker-0" || p.Role != messages.Reading || *p.Group != "workers" || p.GroupIndex != 0 || !p.Principal || *p.State != messages.StatusStarted ||
		p.StateSince.IsZero() || p.Health != healthy || !p.Heard || p.Age > 5000 || *p.Skew > 0 || *p.Records != 12 || p.Rate == nil || p.Metrics == nil || len(p.Entries) != 0 {
		t.Errorf("%+v", p)
	}
	if p := s.Peers[1]; p.Principal || p.GroupIndex != 1 || *p.Records != 0 {
		t.Errorf("%+v", p)
	}
	if p := s.Peers[2]; p.Name != "shop" || p.Role != messages.Writing || p.Group != nil || p.Principal || fmt.Sprint(p.Entries) != "map[limits:map[cpu:2] queueDepth:7 zone:eu\x1b[2J]" {
		t.Errorf("%+v", p)
	}
}

func TestSniffSnapshotOfNobody(t *testing.T) {
	rt := embeddedRuntime(t)
	ctx := sniffContext(t)
	r, err := weir.OpenReader(ctx, rt, "orders", weir.Text(), weir.Name("r"))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Close(ctx); err != nil {
		t.Fatal(err)
	}
	s := takeSnapshot(t, rt, "orders", "--listen", "300ms")
	if len(s.Peers) != 1 || s.Peers[0].Health != closed || s.Peers[0].Heard || s.Peers[0].Skew != nil || *s.Queues[0].Consumers != 0 {
		t.Errorf("%+v", s)
	}
}

func TestSniffWaitsForTheStatusStreams(t *testing.T) {
	rt := embeddedRuntime(t)
	c, _, said := captured("")
	_, err := openSniffer(sniffContext(t), c, rt, "orders", false, 200*time.Millisecond)
	if err == nil || !strings.Contains(err.Error(), "not yet") || !strings.Contains(err.Error(), "orders.reader.status") || !strings.Contains(err.Error(), "a reader makes the channel") {
		t.Error(err)
	}
	if text := said.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, "not yet: ") || !strings.Contains(text, "orders.reader.status") {
		t.Errorf("%q", text)
	}
}

func TestSniffHearsOfStreamsThatAreMadeAnew(t *testing.T) {
	rt := embeddedRuntime(t)
	ctx := sniffContext(t)
	open := func(name string) *weir.Reader[string] {
		r, err := weir.OpenReader(ctx, rt, "orders", weir.Text(), weir.Name(name))
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	first := open("first")
	w := watched(t, rt, "orders")
	w.until(t, func(r *roster) bool { return len(r.peers) == 1 && r.peers[0].health == healthy })
	if err := first.CloseAndDelete(ctx, true); err != nil {
		t.Fatal(err)
	}
	news := w.until(t, func(r *roster) bool { return len(r.deaf) == 2 })
	if !slices.Contains(news, "readers cannot be heard: their status stream was deleted; tries again") {
		t.Errorf("%q", news)
	}
	open("second")
	news = w.until(t, func(r *roster) bool { return len(r.deaf) == 0 && len(r.peers) == 2 && r.peers[0].health == healthy })
	if w.roster.peers[0].Context != "second" || !slices.Contains(news, "readers are heard again") {
		t.Errorf("%q", news)
	}
}

type failingOutput struct{ err error }

func (f failingOutput) Write([]byte) (int, error) { return 0, f.err }

func TestSniffOutputThatNobodyReads(t *testing.T) {
	l := &sniffLines{out: failingOutput{syscall.EPIPE}, every: time.Second}
	r := newSniffed().roster
	if err := l.end(l.show(r, []sniffNews{{text: "x"}}), r); err != nil {
		t.Error(err)
	}
	l = &sniffLines{out: failingOutput{syscall.ENOSPC}, every: time.Second}
	if err := l.end(l.show(r, []sniffNews{{text: "x"}}), r); !errors.Is(err, syscall.ENOSPC) {
		t.Error(err)
	}
}

func TestSniffUsage(t *testing.T) {
	for args, say := range map[string]string{
		"sniff --broker amqp://h":                      "<channel>",
		"sniff c":                                      "which broker?",
		"sniff c --broker embedded":                    "lives in one process",
		"sniff c --broker amqp://h --for=-1s":          "must not be negative",
		"sniff c --broker amqp://h --every 0s":         "must be above 0",
		"sniff c --broker amqp://h --listen 1s":        "snapshot of --json",
		"sniff c --broker amqp://h --json --for 1s":    "leave one of them out",
		"sniff c --broker http://localhost --for 100s": "neither amqp nor amqps",
	} {
		if _, said := command(t, exitUsage, "", strings.Fields(args)...); !strings.Contains(said, say) {
			t.Errorf("%s: %s", args, said)
		}
	}
	help, _ := command(t, exitFine, "", "sniff", "--help")
	var fields map[string]any
	sample, err := json.Marshal(&snapshotReport{Queues: []snapshotQueue{{}}, Peers: []snapshotPeer{{Metrics: &sniffMetrics{}}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(sample, &fields); err != nil {
		t.Fatal(err)
	}
	var check func(v any)
	check = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for key, inner := range v {
				if !strings.Contains(help, key) {
					t.Errorf("the help does not name %s", key)
				}
				check(inner)
			}
		case []any:
			for _, inner := range v {
				check(inner)
			}
		}
	}
	check(fields)
	if !strings.Contains(help, "  demo sniff ") {
		t.Error("no example")
	}
}
