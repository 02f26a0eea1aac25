package weir

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/d2e2d648/weir/messages"
)

// lines is a log that can be read while it is written.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

// take gives the lines so far.
func (l *lines) take(t *testing.T) (out []map[string]any) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for text := range strings.Lines(l.buf.String()) {
		var line map[string]any
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		out = append(out, line)
	}
	l.buf.Reset()
	return out
}

var (
	logHead  = messages.Head{Channel: "c", Name: "e", At: time.Unix(1, 0)}
	logFrom  = messages.From{Child: messages.DataConsumer, Epoch: 7}
	errLog   = errors.New("why")
	logPeer  = messages.Peer{Endpoint: messages.Endpoint{Side: messages.Writing, Name: "c@w"}, State: messages.StatusStarted, Heard: true}
	logTable = []struct {
		event Event
		line  string // "" for what is not logged
	}{
		{&messages.StateChanged{Head: logHead, Was: messages.Opening, Is: messages.Running}, `{"level": "info", "was": "opening", "message": "channel is running"}`},
		{&messages.ChildStarted{Head: logHead, From: logFrom}, `{"level": "debug", "actor": "data-consumer", "epoch": 7, "message": "child started"}`},
		{&messages.ChildRenewed{Head: logHead, From: logFrom}, `{"level": "debug", "actor": "data-consumer", "epoch": 7, "message": "child was idle, and is renewed"}`},
		{&messages.ChildReady{Head: logHead, From: logFrom, Took: time.Second}, `{"level": "debug", "actor": "data-consumer", "epoch": 7, "took": 1000, "message": "child is ready"}`},
		{&messages.ChildFailed{Head: logHead, From: logFrom, Err: errLog, Stack: []byte("s"), Retry: time.Second, Used: time.Minute, Window: time.Hour},
			`{"level": "warn", "actor": "data-consumer", "epoch": 7, "error": "why", "stack": "s", "retry": 1000, "grace_used": 60000, "grace_window": 3600000, "message": "child failed and is replaced"}`},
		{&messages.ChildFailed{Head: logHead, From: logFrom, Err: errLog, Window: Forever},
			`{"level": "warn", "actor": "data-consumer", "epoch": 7, "error": "why", "retry": 0, "grace_used": 0, "message": "child failed and is replaced"}`},
		{&messages.GraceOpened{Head: logHead, Child: messages.Topology}, `{"level": "debug", "actor": "topology", "message": "grace window opened"}`},
		{&messages.GraceClosed{Head: logHead, Child: messages.Topology, Used: time.Second, Failures: 3}, `{"level": "info", "actor": "topology", "grace_used": 1000, "failures": 3, "message": "child has recovered"}`},
		{&messages.GraceRanOut{Head: logHead, Child: messages.Topology, Failures: 3}, `{"level": "error", "actor": "topology", "failures": 3, "message": "grace window ran out"}`},
		{&messages.Abandoned{Head: logHead, Actor: "weir/x/c/e/1/data-consumer-7", Count: 2},
			`{"level": "error", "actor": "data-consumer", "epoch": 7, "count": 2, "message": "a handler does not return: its goroutine is lost"}`},
		{&messages.WaitsFor{Head: logHead, From: logFrom, Reason: errLog}, `{"level": "info", "actor": "data-consumer", "epoch": 7, "reason": "why", "message": "not yet"}`},
		{&messages.WaitsFor{Head: logHead, Reason: errLog}, `{"level": "info", "actor": "supervisor", "reason": "why", "message": "not yet"}`},
		{&messages.AlarmChanged{Head: logHead, From: logFrom, On: true}, `{"level": "warn", "actor": "data-consumer", "epoch": 7, "on": true, "message": "the broker's alarm changed: writers wait while it is on"}`},
		{&messages.ConfirmsStalled{Head: logHead, From: logFrom, Since: time.Unix(5, 0).UTC()},
			`{"level": "warn", "actor": "data-consumer", "epoch": 7, "since": "1970-01-01T00:00:05Z", "message": "confirms stall"}`},
		{&messages.PublishedAgain{Head: logHead, Records: 3, Err: errLog}, `{"level": "warn", "records": 3, "reason": "why", "message": "records were refused and are published again"}`},
		{&messages.PeerAppeared{Head: logHead, Peer: logPeer}, `{"level": "info", "peer": "c@w", "side": "writer", "state": "Started", "heard": true, "message": "peer appeared"}`},
		{&messages.PeerChanged{Head: logHead, Peer: logPeer}, `{"level": "info", "peer": "c@w", "side": "writer", "state": "Started", "message": "peer changed"}`},
		{&messages.StatusReceived{Head: logHead, Peer: logPeer, Status: messages.Status{Kind: messages.StatusHealthCheck}, History: true},
			`{"level": "trace", "peer": "c@w", "status": "HealthCheck", "history": true, "message": "status received"}`},
		{&messages.StatusesReceived{Head: logHead}, ``}, // each of them is a line of its own
		{&messages.StatusLate{Head: logHead, Peer: "c@w", By: time.Second}, `{"level": "warn", "peer": "c@w", "by": 1000, "message": "a status is older than one that came before"}`},
		{&messages.HealthEntryDropped{Head: logHead, Key: "k", Err: errLog}, `{"level": "warn", "key": "k", "error": "why", "message": "an entry was left out of a health check"}`},
		{&messages.QueueNotEmpty{Head: logHead, Queue: "q", Ready: 3}, `{"level": "error", "queue": "q", "records": 3, "message": "a queue is deleted with records in it"}`},
		{&messages.CommitIgnored{Head: logHead, Count: 3, Committed: 5}, `{"level": "warn", "count": 3, "committed": 5, "message": "a commit of less than is committed was ignored"}`},
		{&messages.BadStatuses{Head: logHead, Count: 3, Why: errLog}, `{"level": "warn", "count": 3, "reason": "why", "message": "messages that are no status were skipped"}`},
		{&messages.ChannelFailed{Head: logHead, Err: errLog}, `{"level": "error", "error": "why", "message": "channel failed"}`},
		{&messages.UnhandledMessage{Head: logHead, From: logFrom, Message: 5}, `{"level": "error", "actor": "data-consumer", "epoch": 7, "type": "int", "message": "unhandled message"}`},
		{&messages.StopHookFailed{Head: logHead, Actor: "weir/x/c/e/1", Err: errLog}, `{"level": "warn", "actor": "weir/x/c/e/1", "error": "why", "message": "a stop hook failed"}`},
		{&Undecoded{Head: logHead, Err: errLog, DeadLettered: true}, `{"level": "warn", "error": "why", "dead_lettered": true, "message": "a record could not be decoded"}`},
		{&HookFailed{Head: logHead, Err: errLog, Stack: []byte("s")}, `{"level": "warn", "error": "why", "stack": "s", "message": "the hook for health checks failed"}`},
	}
)

func TestLogLines(t *testing.T) {
	for _, test := range logTable {
		var out lines
		rt := &Runtime{log: zerolog.New(&out)}
		s := settings{level: zerolog.TraceLevel}
		s.Channel, s.Name = "c", "e"
		log := rt.logOf(&s)
		logEvent(&log, test.event)
		got := out.take(t)
		if test.line == "" {
			if len(got) > 0 {
				t.Errorf("%T is logged: %v", test.event, got)
			}
			continue
		}
		want := map[string]any{"channel": "c", "endpoint": "e"}
		if err := json.Unmarshal([]byte(test.line), &want); err != nil {
			t.Fatalf("%s: %v", test.line, err)
		}
		if len(got) != 1 || !reflect.DeepEqual(got[0], want) {
			t.Errorf("%T:\n got %v\nwant %v", test.event, got, want)
		}
	}
}

// Each type of event has a line in the table, and so a log line, or a reason for having none.
func TestNoEventIsForgotten(t *testing.T) {
	want := map[string]bool{}
	for _, test := range logTable {
		want[reflect.TypeOf(test.event).Elem().String()] = false
	}
	eventTypes(t, "messages", "messages", "Head", want)
	eventTypes(t, ".", "weir", "messages.Head", want)
	for name, found := range want {
		if !found {
			t.Errorf("%s was not found in the source: is the test blind?", name)
		}
	}
}

// eventTypes marks the types of a package that embed the head of events.
func eventTypes(t *testing.T, dir, pkg, head string, found map[string]bool) {
	t.Helper()
	files, err := fs.Glob(os.DirFS(dir), "*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path.Join(dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok || !embeds(spec.Type, head) {
				return true
			}
			full := pkg + "." + spec.Name.Name
			if _, ok := found[full]; !ok {
				t.Errorf("%s is an event without a log line: give it one in log.go, and a line in the table here, with a reason if it is not to be logged", full)
			}
			found[full] = true
			return true
		})
	}
}

func embeds(of ast.Expr, head string) bool {
	fields, ok := of.(*ast.StructType)
	if !ok {
		return false
	}
	for _, f := range fields.Fields.List {
		name := ""
		switch of := f.Type.(type) {
		case *ast.Ident:
			name = of.Name
		case *ast.SelectorExpr:
			if pkg, ok := of.X.(*ast.Ident); ok {
				name = pkg.Name + "." + of.Sel.Name
			}
		}
		if len(f.Names) == 0 && name == head {
			return true
		}
	}
	return false
}

// A line that is not written costs nothing.
func TestLevelsThatAreOff(t *testing.T) {
	var out lines
	log := zerolog.New(&out).Level(zerolog.FatalLevel)
	for _, test := range logTable {
		if n := testing.AllocsPerRun(10, func() { logEvent(&log, test.event) }); n != 0 {
			t.Errorf("%T: %v allocations", test.event, n)
		}
	}
	if got := out.take(t); len(got) > 0 {
		t.Error(got)
	}
}

func TestLogOf(t *testing.T) {
	for name, test := range map[string]struct {
		runtime zerolog.Level
		opts    []Option
		want    zerolog.Level
	}{
		"the runtime's":      {zerolog.InfoLevel, nil, zerolog.InfoLevel},
		"only fewer":         {zerolog.InfoLevel, []Option{LogLevel(zerolog.DebugLevel)}, zerolog.InfoLevel},
		"fewer":              {zerolog.InfoLevel, []Option{LogLevel(zerolog.ErrorLevel)}, zerolog.ErrorLevel},
		"none":               {zerolog.Disabled, []Option{LogLevel(zerolog.TraceLevel)}, zerolog.Disabled},
		"its own":            {zerolog.Disabled, []Option{Logger(zerolog.New(nil).Level(zerolog.DebugLevel))}, zerolog.DebugLevel},
		"its own, but fewer": {zerolog.Disabled, []Option{LogLevel(zerolog.WarnLevel), Logger(zerolog.New(nil))}, zerolog.WarnLevel},
	} {
		var s settings
		s.apply(test.opts)
		log := (&Runtime{log: zerolog.New(nil).Level(test.runtime)}).logOf(&s)
		if got := log.GetLevel(); got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

// Each endpoint logs to its own logger, the others to the runtime's; what the face itself has to say goes there, too.
func TestEndpointsLogApart(t *testing.T) {
	var common, own lines
	ctx, _, rt := world(t, WithLog(zerolog.New(&common).Level(zerolog.InfoLevel)))
	r := is[*Reader[string]](t)(OpenReader(ctx, rt, "c", Text(), Name("r"), Logger(zerolog.New(&own)), OnUndecodable(DeadLetter)))
	w := is[*Writer[[]byte]](t)(OpenWriter(ctx, rt, "c", Raw(), Name("w"), LogLevel(zerolog.WarnLevel)))
	x := is[*Writer[[]byte]](t)(OpenWriter(ctx, rt, "c", Raw(), Name("x")))
	if err := w.Write(ctx, []byte("\xff"), []byte("a")); err != nil {
		t.Fatal(err)
	}
	is[*Batch[string]](t)(r.Read(ctx))
	if err := errors.Join(r.Close(ctx), w.Close(ctx), x.Close(ctx)); err != nil {
		t.Fatal(err)
	}
	endpoints := func(out *lines) map[string]int {
		n := map[string]int{}
		for _, line := range out.take(t) {
			name, _ := line["endpoint"].(string)
			n[name]++
			if line["message"] == "a record could not be decoded" {
				n["undecoded"]++
			}
			if line["channel"] != "c" {
				t.Errorf("%v is of no channel", line)
			}
		}
		return n
	}
	if n := endpoints(&common); n["x"] == 0 || len(n) != 1 {
		t.Errorf("the runtime's logger has lines of %v: only x has some at its level", n)
	}
	if n := endpoints(&own); n["r"] == 0 || n["undecoded"] != 1 || n["r-dead-letters"] == 0 || len(n) != 3 {
		t.Errorf("the reader's logger has lines of %v", n)
	}
}

// Protoactor's own log goes where the rest does. Of a message only its type is written: a record is nobody's business.
func TestSystemLog(t *testing.T) {
	var out lines
	log := zerolog.New(&out).With().Str("app", "a").Logger()
	system := newSystem(&log)
	system.Root.Send(system.NewLocalPID("nobody"), &messages.Withdraw{})
	system.Shutdown()
	var found map[string]any
	for _, line := range out.take(t) {
		if line["component"] != "protoactor" || line["app"] != "a" {
			t.Errorf("%v", line)
		}
		if line["message"] == "[DeadLetter]" {
			found = line
		}
	}
	want := map[string]any{"level": "debug", "app": "a", "component": "protoactor", "pid": "nobody", "message_type": "*messages.Withdraw", "message": "[DeadLetter]"}
	if !reflect.DeepEqual(found, want) {
		t.Errorf("got %v, want %v", found, want)
	}
}

func TestSystemLogIsOffWithoutALogger(t *testing.T) {
	for name, log := range map[string]zerolog.Logger{"none": {}, "nop": zerolog.Nop(), "warn": zerolog.New(&lines{}).Level(zerolog.WarnLevel)} {
		if h := newSystemLog(&log); h.Enabled(context.Background(), slog.LevelInfo) {
			t.Errorf("%s: information is logged", name)
		}
	}
}

func TestSystemLogKeepsWhatIsPlain(t *testing.T) {
	var out lines
	log := zerolog.New(&out)
	l := slog.New(newSystemLog(&log)).With("of", struct{ Secret string }{"x"}).WithGroup("g")
	l.Warn("w", "n", 1, "err", errLog, "any", []byte("secret"), "message", "secret")
	l.Debug("d")
	want := []map[string]any{
		{"level": "warn", "component": "protoactor", "message": "w", "g.n": 1.0, "g.err": "why", "g.any_type": "[]uint8", "g.message_type": "string"},
		{"level": "trace", "component": "protoactor", "message": "d"},
	}
	got := out.take(t)
	for _, line := range got {
		for key, value := range line {
			if strings.HasSuffix(key, "of_type") && value == "struct { Secret string }" {
				delete(line, key)
			}
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v", got)
	}
}
