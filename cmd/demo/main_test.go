package main

import (
	"bytes"
	"io"
	"os"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/d2e2d648/weir/test/rabbit/rabbittest"
)

func TestMain(m *testing.M) {
	for _, name := range []string{"WEIR_URL", envStreamURL, envPassword} { // the developer's own are not for tests
		if err := os.Unsetenv(name); err != nil {
			panic(err)
		}
	}
	goleak.VerifyTestMain(rabbittest.Tests(m))
}

// output is a buffer that a command may write to while a test reads it.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// captured is a console whose output a test can read.
func captured(in string) (c *console, out, err *output) {
	out, err = &output{}, &output{}
	return &console{in: strings.NewReader(in), out: out, err: err}, out, err
}

// parseInto reads a command line that is right.
func parseInto(t *testing.T, args ...string) *commands {
	t.Helper()
	all := &commands{}
	if _, err := newParser(all, &console{out: io.Discard, err: io.Discard}).Parse(args); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestWrongUsageIsStatus2AndSaysWhy(t *testing.T) {
	for _, c := range []struct {
		args string
		say  string
	}{
		{"", "expected one of"},
		{"fly", "unexpected argument fly"},
		{"write orders", "which broker?"},
		{"write orders --broker embedded", "lives in one process"},
		{"read orders --broker embedded", "lives in one process"},
		{"read --broker amqp://localhost", "<channel>"},
		{"read c --broker amqp://localhost --count=-1", "must not be negative"},
		{"read c --broker http://localhost", "neither amqp nor amqps"},
		{"read c --broker amqp://localhost --undecodable ignore", "must be one of"},
		{"read c --broker amqp://localhost --schema ./none.avsc", "none.avsc"},
		{"write c --broker amqp://localhost --format text --schema main.go", "leave one of them out"},
		{"write c --broker amqp://localhost --schema main.go", "the schema in"},
		{"write c --broker amqp://localhost --input ./none", "none"},
		{"write c --broker amqp://localhost --format parquet", "must be one of"},
		{"read c --broker amqp://localhost --format avro", "name it with --schema"},
		{"read c --broker amqp://localhost --format avro --schema main.go", "main.go: codec: schema: unusable"},
		{"read c --broker amqp://localhost --format avro --schema main.go --json", "leave one of them out"},
		{"read c --broker amqp://localhost --compress deflate", "--format avro"},
		{"read c --broker amqp://localhost --format avro --schema main.go --compress snappy", "must be one of"},
		{"run --size 31", "--size 31"},
		{"run --writers 0", "--writers 0"},
		{"run --rate -1", "--rate"},
		{"run --crashes 3", "there is no --crash"},
		{"run --crash x=panic@1s", "there is no actor"},
		{"run --crash topology=panic@1s", "there is no actor"},
		{"run --crash data-consumer=burn@1s", "cannot crash by"},
		{"run --crash data-consumer=panic", "ACTOR=KIND@EVERY"},
		{"run --crash data-consumer=panic@0s", "duration above 0"},
		{"run --log loud", "--log must be one of"},
		{"run --plane tape", "--plane must be one of"},
		{"run --plane stream --size 1048000", "to 1047552"},
		{"run --stream-broker rabbitmq-stream://h", "--stream-broker is for streams: add --plane stream"},
		{"run --plane stream --prefetch=-1", "--prefetch -1"},
		{"sniff c --broker amqp://h --stream-broker rabbitmq-stream://h", "--stream-broker is for streams"},
		{"read c --broker amqp://h --from 7", "--from is for streams: add --plane stream"},
		{"read c --broker amqp://h --replay", "--replay is for streams"},
		{"read c --broker amqp://h --retain 7d", "--retain is for streams"},
		{"read c --broker amqp://h --plane stream --from yesterday", "how long ago, such as 10m"},
		{"read c --broker amqp://h --plane stream --compat", "pypz knows queues only"},
		{"read c --broker amqp://h --plane stream --stream-broker amqp://h", "neither rabbitmq-stream nor rabbitmq-stream+tls"},
		{"read c --broker amqp://h/a --plane stream --stream-broker rabbitmq-stream://h/b", "all of a channel is in one"},
		{"write c --broker amqp://h --retain 7d --create", "--retain is for streams"},
		{"write c --broker amqp://h --sub-entries 10", "--sub-entries is for streams"},
		{"write c --broker amqp://h --plane stream --compat", "pypz knows queues only"},
		{"write c --broker amqp://h --plane stream --retain 7d", "add --create"},
		{"write c --broker amqp://h --plane stream --create --retain 7d,8d", "one age and one size"},
		{"write c --broker amqp://h --plane stream --create --retain 7", "neither an age"},
		{"write c --broker amqp://h --plane stream --create --retain 1500ms", "whole seconds"},
		{"write c --broker amqp://h --plane stream --sub-entries 65536", "65,535"},
		{"experiment --fault frez", "the nearest are freeze"},
		{"experiment --fault freeze@1s:x", "freeze takes LENGTH (default 5s)"},
		{"experiment --fault kill", "the embedded broker cannot be made to do that: use --broker private"},
		{"experiment --fault throttle", "use --broker private or --broker amqp://…"},
		{"experiment --broker private --fault end-session", "the private broker cannot be made to do that: use --broker embedded"},
		{"experiment --broker amqp://me:never-show-this@h --fault kill", "this would harm h:5672, which the experiment did not start: use --broker private"},
		{"experiment --broker amqp://h --fault alarm", "use --broker embedded or --broker private"},
		{"experiment --broker amqp://h --channel orders --fault delete-queue", "the channel orders may be somebody's"},
		{"experiment --fault delete-stream", "add --plane stream"},
		{"experiment --plane stream --fault delete-queue", "add --plane queue"},
		{"experiment --report x.pdf", "must end in .html"},
		{"experiment --for 0s", "--for 0s"},
		{"experiment --broker private:1.2.3", "there is no RabbitMQ 1.2.3 here, only 3.10.8 and 4.0.5"},
	} {
		t.Run(c.args, func(t *testing.T) {
			console, out, err := captured("")
			if status := run(strings.Fields(c.args), console); status != exitUsage {
				t.Errorf("status %d, want %d", status, exitUsage)
			}
			if !strings.Contains(err.String(), c.say) || out.String() != "" {
				t.Errorf("want %q on standard error only, got %q and on standard output %q", c.say, err, out)
			}
		})
	}
}

func TestEveryHelpShowsAnExample(t *testing.T) {
	for _, args := range [][]string{{"--help"}, {"run", "--help"}, {"write", "--help"}, {"read", "--help"}, {"experiment", "--help"}} {
		console, out, err := captured("")
		if status := run(args, console); status != exitFine {
			t.Errorf("%v: status %d: %s", args, status, err)
		}
		if text := out.String(); !strings.Contains(text, "  demo ") {
			t.Errorf("%v: no example in %s", args, text)
		}
	}
}

func TestLogTellsFractionsOfASecond(t *testing.T) {
	var out output
	log := newLog(&out, true)
	const lines = 2000 // they take longer than the millisecond in which a time has no fraction
	for range lines {
		log.Warn().Msg("x")
	}
	if text := out.String(); strings.Count(text, ".") != lines || strings.Count(text, ".000 ") == lines {
		t.Errorf("times without fractions of a second:\n%.200s", text)
	}
}
