package supervisor_test

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/d2e2d648/weir/messages"
	"github.com/d2e2d648/weir/supervisor"
)

func asks(health func(done func(messages.Payload))) func(*supervisor.Config) {
	return func(c *supervisor.Config) { c.Health = health }
}

// entries gives at once what it is called with.
func entries(p ...messages.Entry) func(*supervisor.Config) {
	return asks(func(done func(messages.Payload)) { done(p) })
}

// checks are the health checks that an end heard of a peer live, in the order in which they came.
func (e *end) checks(context string) (all []*messages.StatusReceived) {
	for _, ev := range seen[*messages.StatusReceived](e) {
		if ev.Peer.Context == context && ev.Status.Kind == messages.StatusHealthCheck && !ev.History {
			all = append(all, ev)
		}
	}
	return all
}

func (e *end) lastCheck(context string) messages.Payload {
	e.Helper()
	all := e.checks(context)
	if len(all) == 0 {
		e.Fatalf("no health check of %s", context)
	}
	return all[len(all)-1].Status.Payload
}

func keys(p messages.Payload) string {
	var s []string
	for _, e := range p {
		s = append(s, e.Key)
	}
	return strings.Join(s, " ")
}

// steady lets a minute pass and checks that as many health checks come in it as ever, whatever keeps each.
func (e *end) steady(context string) {
	e.Helper()
	e.world.RunFor(5 * time.Second)
	before := len(e.checks(context))
	e.world.RunFor(time.Minute)
	all := e.checks(context)
	if n := len(all) - before; n < 29 || n > 31 {
		e.Errorf("%d health checks in a minute, want 30", n)
	}
	for i, ev := range all[before:] {
		if pause := ev.At.Sub(all[before+i-1].At); pause > 2*supervisor.DefaultHealthInterval+100*time.Millisecond {
			e.Errorf("%s without a health check", pause)
		}
	}
}

// Entries of the user come in the same health check as the metrics and the count, behind them, on either side; without metrics they come all the same.
func TestHealthEntriesComeWithTheMetrics(t *testing.T) {
	mine := entries(messages.Entry{Key: "b", Value: 1.5}, messages.Entry{Key: "a", Value: "text"})
	for _, test := range []struct {
		name string
		edit func(*supervisor.Config)
		want string
	}{
		{"with metrics", func(*supervisor.Config) {}, "elapsedTimeSinceLast%[1]sCycleMs averageTimePer%[1]sCycleMs averageTimePer%[1]sRecordMs averageRecordPer%[1]sCycle %[2]s b a"},
		{"without", func(c *supervisor.Config) { c.NoMetrics = true }, "%[2]s b a"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b, writer, reader := both(t, mine, test.edit)
			flows(writer, reader, "x")
			b.world.RunFor(5 * time.Second)
			if got, want := keys(reader.lastCheck("writer")), fmt.Sprintf(test.want, "Output", messages.SentRecordCount); got != want {
				t.Errorf("%s, want %s", got, want)
			}
			if got, want := keys(writer.lastCheck("reader")), fmt.Sprintf(test.want, "Read", messages.ReceivedRecordCount); got != want {
				t.Errorf("%s, want %s", got, want)
			}
			if v, _ := reader.snapshot().Peers.All[0].Payload.Get("a"); v != "text" {
				t.Errorf("%v", v)
			}
		})
	}
}

// The user may take their time: what comes before the next health check is due is in this one, what comes later in none. It holds up no health check, and is in no other.
func TestLateHealthEntriesAreLeftOut(t *testing.T) {
	for _, test := range []struct {
		name string
		take time.Duration // of every third call; the others answer in 100 ms
		in   bool
	}{{"in time", 800 * time.Millisecond, true}, {"late", 2500 * time.Millisecond, false}, {"later", 5 * time.Second, false}, {"never", time.Hour, false}} {
		t.Run(test.name, func(t *testing.T) {
			b := newBed(t)
			calls := 0
			reader := b.reader()
			reader.opened()
			writer := b.writer(asks(func(done func(messages.Payload)) {
				n, take := calls, 100*time.Millisecond
				if n%3 == 1 {
					take = test.take
				}
				calls++
				b.world.At(b.world.Now()+take, func() { done(messages.Payload{{Key: "n", Value: n}}) })
			}))
			writer.opened()
			reader.steady("writer")
			was, without, slow := -1, 0, 0
			for _, ev := range reader.checks("writer")[1:] { // the first is said at the opening
				v, any := ev.Status.Payload.Get("n")
				if !any {
					without++
					continue
				}
				n := 0
				fmt.Sscan(fmt.Sprint(v), &n)
				if n <= was {
					t.Errorf("the answer %d came after %d", n, was)
				}
				if was = n; n%3 == 1 {
					slow++
				}
			}
			if was < calls-3 || (slow > 0) != test.in || (without > 0) == test.in {
				t.Errorf("%d calls, the last answer was %d; %d health checks with a slow one, %d without any", calls, was, slow, without)
			}
		})
	}
}

// Who never answers is a nuisance to nobody: health checks go on as ever, with the metrics.
func TestHealthEntriesThatNeverCome(t *testing.T) {
	b := newBed(t)
	reader := b.reader()
	reader.opened()
	writer := b.writer(asks(func(func(messages.Payload)) {}))
	writer.opened()
	flows(writer, reader, "x")
	reader.steady("writer")
	if got := keys(reader.lastCheck("writer")); !strings.Contains(got, "averageTimePerOutputCycleMs") || !strings.HasSuffix(got, messages.SentRecordCount) {
		t.Errorf("%q", got)
	}
}

// An entry that cannot be written, is too large or has a key that is taken is left out with an event; its neighbours come.
func TestHealthEntriesThatAreDropped(t *testing.T) {
	b := newBed(t)
	reader := b.reader()
	reader.opened()
	writer := b.writer(entries(messages.Entry{Key: "nan", Value: math.NaN()}, messages.Entry{Key: "a", Value: 1}, messages.Entry{Key: "func", Value: func() {}},
		messages.Entry{Key: "large", Value: strings.Repeat("x", messages.MaxStatusSize)}, messages.Entry{Key: "a", Value: 2},
		messages.Entry{Key: messages.SentRecordCount, Value: 77}, messages.Entry{Key: "averageTimePerOutputCycleMs", Value: 77}, messages.Entry{Key: "z", Value: 3}))
	writer.opened()
	flows(writer, reader, "x")
	b.world.RunFor(3 * time.Second)
	before := len(seen[*messages.HealthEntryDropped](writer))
	b.world.RunFor(2 * time.Second)
	reasons := map[string]string{}
	for _, ev := range seen[*messages.HealthEntryDropped](writer)[before:] {
		if reasons[ev.Key] += ev.Err.Error(); ev.Err == nil || ev.Name != "writer" || ev.At.IsZero() {
			t.Errorf("%+v", ev)
		}
	}
	for key, part := range map[string]string{"nan": "NaN", "func": "unsupported type", "large": "bytes", "a": "of that key", messages.SentRecordCount: "of that key", "averageTimePerOutputCycleMs": "of that key"} {
		if !strings.Contains(reasons[key], part) {
			t.Errorf("%s: %q", key, reasons[key])
		}
	}
	if len(reasons) != 6 {
		t.Errorf("%q", reasons)
	}
	payload := reader.lastCheck("writer")
	if got := keys(payload); !strings.HasSuffix(got, messages.SentRecordCount+" a z") {
		t.Errorf("%q", got)
	}
	for key, want := range map[string]string{"a": "1", "z": "3", messages.SentRecordCount: "1"} {
		if v, _ := payload.Get(key); fmt.Sprint(v) != want {
			t.Errorf("%s is %v, want %s", key, v, want)
		}
	}
	if n := len(seen[*messages.BadStatuses](reader)); n != 0 {
		t.Errorf("%d bad statuses", n)
	}
}

// Twice, at once, or from a health check before: an answer that nobody waits for changes nothing.
func TestHealthEntriesThatComeTwice(t *testing.T) {
	b := newBed(t)
	reader := b.reader()
	reader.opened()
	var kept func(messages.Payload)
	writer := b.writer(asks(func(done func(messages.Payload)) {
		if kept != nil {
			kept(messages.Payload{{Key: "old", Value: 1}})
		}
		done(messages.Payload{{Key: "new", Value: 1}})
		done(messages.Payload{{Key: "new", Value: 1}})
		kept = done
	}))
	writer.opened()
	reader.steady("writer")
	n := 0
	for _, ev := range reader.checks("writer") {
		got := keys(ev.Status.Payload)
		if strings.Contains(got, "old") {
			t.Errorf("%q", got)
		}
		if strings.Contains(got, "new") {
			n++
		}
	}
	if n < 30 {
		t.Errorf("%d health checks with entries", n)
	}
}

// After its farewell an endpoint says nothing any more, though somebody answers late, and the farewell itself waits for nobody. Peers would take a health check behind Closed for a life sign.
func TestNoHealthEntriesAfterTheClose(t *testing.T) {
	b := newBed(t)
	writer := b.writer()
	writer.opened()
	var late func(messages.Payload)
	reader := b.reader(asks(func(done func(messages.Payload)) { late = done }))
	reader.opened()
	b.until("it is asked", 5*time.Second, func() bool { return late != nil })
	b.world.RunFor(100 * time.Millisecond)       // the metrics are there, only this answer is not
	closed := reader.close(time.Minute, deletes) // waits for the writer
	b.until("it said so", 5*time.Second, func() bool { return strings.HasSuffix(writer.heard("reader"), "hXC") })
	late(messages.Payload{{Key: "a", Value: 1}})
	b.world.RunFor(20 * time.Second)
	if heard := writer.heard("reader"); !strings.HasSuffix(heard, "hXC") || closed.got != nil {
		t.Errorf("%s, %+v", heard, closed.got)
	}
	if _, any := writer.lastCheck("reader").Get("a"); any {
		t.Error("the late answer came with a health check")
	}
	await(b, writer.close(time.Second), time.Second)
	if m := await(b, closed, 10*time.Second); m.Err != nil {
		t.Error(m.Err)
	}
	b.until("it stops", 5*time.Second, func() bool { return reader.stopped })
	late(messages.Payload{{Key: "a", Value: 1}})
	b.world.RunFor(time.Second)
}

// The metrics aggregator dies over its question while the user's entries are there, or not yet: the health check goes on without the metrics.
func TestHealthCheckWithoutItsMetrics(t *testing.T) {
	for take, most := range map[time.Duration]time.Duration{0: 4100 * time.Millisecond, 500 * time.Millisecond: 2100 * time.Millisecond} {
		b := newBed(t)
		reader := b.reader()
		reader.opened()
		writer := b.writer(asks(func(done func(messages.Payload)) {
			b.world.At(b.world.Now()+take, func() { done(messages.Payload{{Key: "a", Value: 1}}) })
		}))
		writer.opened()
		b.world.RunFor(5 * time.Second)
		before := reader.checks("writer")
		began := before[len(before)-1].At
		died := 0
		b.inject = func(id string, msg any) {
			if _, measure := msg.(*messages.Measure); measure && at(id, "writer/metrics-aggregator") && died < 3 {
				died++
				panic(errInjected)
			}
		}
		b.world.RunFor(20 * time.Second)
		if died != 3 {
			t.Errorf("it died %d times", died)
		}
		was := began
		for _, ev := range reader.checks("writer") {
			if ev.At.After(began) {
				if !strings.Contains(" "+keys(ev.Status.Payload)+" ", " a ") {
					t.Errorf("%q", keys(ev.Status.Payload))
				}
				if pause := ev.At.Sub(was); pause > most {
					t.Errorf("%s without a health check", pause)
				}
				was = ev.At
			}
		}
	}
}

// WaitingForSchema goes with each health check until the schema is known, and never again.
func TestWaitingForSchemaUntilItIsKnown(t *testing.T) {
	awaits := func(c *supervisor.Config) { c.AwaitSchema = true }
	b := newBed(t)
	reader := b.reader()
	reader.opened()
	writer := b.writer(awaits)
	writer.opened()
	b.world.RunFor(5 * time.Second)
	if got := reader.heard("writer"); !strings.HasPrefix(got, "OhWShWhW") {
		t.Errorf("heard %s", got)
	}
	if p := reader.snapshot().Peers.All[0]; p.State != messages.StatusStarted || p.Times.At(messages.StatusWaitingForSchema) == 0 {
		t.Errorf("%+v", p)
	}
	flows(writer, reader, "that it waits keeps nobody from writing")
	writer.send(&messages.SchemaKnown{})
	b.world.RunFor(100 * time.Millisecond)
	n := strings.Count(reader.heard("writer"), "W")
	writer.send(&messages.SchemaKnown{}) // once more is no matter
	b.world.RunFor(10 * time.Second)
	if m := strings.Count(reader.heard("writer"), "W"); m != n {
		t.Errorf("%d more", m-n)
	}
	early := b.writer(awaits, joins, named("early"), func(c *supervisor.Config) { c.Channel = "orders" })
	early.send(&messages.SchemaKnown{})
	early.opened()
	b.world.RunFor(5 * time.Second)
	if got := reader.heard("early"); !strings.HasPrefix(got, "OhS") || strings.Contains(got, "W") {
		t.Errorf("known before it is open: heard %s", got)
	}
}

// The farewell is not held up by a schema that never came, nor does it say so.
func TestCloseWhileASchemaIsWaitedFor(t *testing.T) {
	b := newBed(t)
	reader := b.reader()
	reader.opened()
	writer := b.writer(quiet, func(c *supervisor.Config) { c.AwaitSchema = true })
	writer.opened()
	reader.hears("writer", "OhWS")
	if m := await(b, writer.close(time.Second), time.Second); m.Err != nil {
		t.Error(m.Err)
	}
	reader.hears("writer", "OhWShXC")
}

// An acknowledgement of the reader counts for the writer until it writes again.
func TestAcknowledgedInput(t *testing.T) {
	b, writer, reader := both(t)
	flows(writer, reader, "x")
	all := func() bool { return writer.snapshot().Peers.AllAcknowledged() }
	b.world.RunFor(time.Second)
	if all() {
		t.Error("nobody has acknowledged")
	}
	for range 2 {
		reader.answered(reader.acknowledgeInput(), nil)
		b.world.RunFor(time.Second)
		if !all() {
			t.Error("all have acknowledged")
		}
		flows(writer, reader, "y")
		if all() {
			t.Error("the mark is of what was written before")
		}
	}
	b.world.Broker().LoseConfirms(1) // the record is with the reader long before its writer knows
	written, _ := writer.write("z")
	for {
		if batch := await(b, reader.demand(1), time.Second); string(batch.Records[0].Body) == "z" {
			break
		}
	}
	reader.answered(reader.acknowledgeInput(), nil)
	b.world.RunFor(time.Second)
	if written.got != nil || !all() {
		t.Errorf("the early mark is lost: written %+v", written.got)
	}
	await(b, written, 2*time.Minute)
	if !all() {
		t.Error("the confirm has cleared the mark")
	}
	empty, _ := writer.write()
	await(b, empty, time.Second)
	late, _ := writer.write()
	await(b, late, time.Second)
	reader.answered(reader.stop(), nil)
	reader.answered(reader.acknowledgeInput(), nil) // who has stopped may still say so
}

// Right after the opening an acknowledgement may come by the history, live, or both ways. It counts.
func TestAcknowledgementWhileTheHistoryIsRead(t *testing.T) {
	for seed := range uint64(50) {
		b := seeded(t, seed)
		reader := b.reader(polls(time.Millisecond))
		reader.opened()
		writer := b.writer()
		writer.opened()
		writer.write("x")
		for {
			if batch := await(b, reader.demand(1), time.Second); len(batch.Records) > 0 {
				break
			}
		}
		reader.answered(reader.acknowledgeInput(), nil)
		b.world.RunFor(5 * time.Second)
		if !writer.snapshot().Peers.AllAcknowledged() {
			t.Errorf("seed %d: the acknowledgement is lost", seed)
		}
	}
}

// What is of another channel, or too long, is no status: it is counted, and its neighbours are heard.
func TestForeignAndOverlongStatusesAreBad(t *testing.T) {
	b, _, reader := both(t)
	b.world.RunFor(time.Second)
	foreign := strings.Replace(said("foreigner", messages.StatusOpened, 1), `"orders"`, `"others"`, 1)
	long := strings.Replace(said("long", messages.StatusOpened, 1), "}", `, "payload": {"x": "`+strings.Repeat("y", messages.MaxStatusSize)+`"}}`, 1)
	publish(b, "orders.writer.status", said("a", messages.StatusOpened, 1), foreign, said("b", messages.StatusOpened, 1), long, said("c", messages.StatusOpened, 1))
	b.world.RunFor(time.Second)
	bad := 0
	for _, ev := range seen[*messages.BadStatuses](reader) {
		if bad += ev.Count; !errors.Is(ev.Why, messages.ErrBadStatus) || len(ev.Why.Error()) > 300 {
			t.Errorf("%v", ev.Why)
		}
	}
	if names := reader.snapshot().Peers.Names(); bad != 2 || strings.Join(names, " ") != "orders@a orders@b orders@c orders@writer" {
		t.Errorf("%d bad statuses, peers %q", bad, names)
	}
}

// Likewise of a writer whose status consumer came late: what was written before it was open waits until then, or an acknowledgement of it could be missed.
func TestAcknowledgementBeforeTheWriterListens(t *testing.T) {
	b := newBed(t)
	reader := b.reader()
	reader.opened()
	heal := b.failing("writer/status-consumer", errInjected)
	writer := b.writer()
	writer.write("x")
	reader.send(&messages.Demand{Max: 1, Done: func(*messages.Batch) { reader.send(&messages.AcknowledgeInput{}) }})
	b.world.RunFor(time.Second)
	heal()
	writer.opened()
	b.world.RunFor(10 * time.Second)
	if reader.snapshot().Records != 1 || !writer.snapshot().Peers.AllAcknowledged() {
		t.Error("the acknowledgement is lost")
	}
}
