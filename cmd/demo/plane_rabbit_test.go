package main

import (
	"crypto/rand"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/d2e2d648/weir/test/rabbit"
	"github.com/d2e2d648/weir/test/rabbit/rabbittest"
)

// streamArgs lead to a node's streams.
func streamArgs(node *rabbit.Node, args ...string) []string {
	return append(args, "--plane", "stream", "--broker", node.URL(), "--stream-broker", node.StreamURL())
}

// running is a command line that runs beside the test.
type running struct {
	out, said *output
	ended     chan int
}

func start(in string, args ...string) *running {
	console, out, said := captured(in)
	r := &running{out: out, said: said, ended: make(chan int, 1)}
	go func() { r.ended <- run(args, console) }()
	return r
}

// mustGive waits for its end, and for what it is to have printed.
func (r *running) mustGive(t *testing.T, who, want string) {
	t.Helper()
	if status := <-r.ended; status != exitFine {
		t.Errorf("%s: status %d: %s", who, status, r.said)
	}
	if out := r.out.String(); out != want {
		t.Errorf("%s: %d bytes came out, want %d: %.80q …, want %.80q …; %s", who, len(out), len(want), out, want, r.said)
	}
}

func TestReadersOfAStreamAtDifferentOffsetsAtRabbitMQ(t *testing.T) {
	rabbittest.EachVersion(t, func(t *testing.T, node *rabbit.Node) {
		channel := newName("demo-stream", rand.Text())
		in := textLines(8000)
		old, live := in[:len(in)-len(tail(in, 3000))], tail(in, 3000)
		if _, said := command(t, exitFine, old, streamArgs(node, "write", channel, "--create", "--retain", "1h,1GiB", "--name", "shop")...); said != "5,000 records were confirmed\n" {
			t.Error(said)
		}
		first := start("", streamArgs(node, "read", channel, "--name", "first", "--count", "8000")...)
		middle := start("", streamArgs(node, "read", channel, "--from", "1234", "--count", "6766")...)
		next := start("", streamArgs(node, "read", channel, "--name", "next", "--from", "next", "--count", "3000")...)
		command(t, exitFine, live, streamArgs(node, "write", channel, "--name", "shop", "--wait-readers", "3")...)
		first.mustGive(t, "first", in)
		middle.mustGive(t, "from 1234", tail(in, 6766))
		next.mustGive(t, "next", live)

		if out, said := command(t, exitFine, "", streamArgs(node, "read", channel, "--from", "10m", "--count", "8000")...); out != in {
			t.Errorf("from ten minutes ago: %d of %d bytes: %s", len(out), len(in), said)
		}
		command(t, exitFine, "", streamArgs(node, "read", channel+"-by-reader", "--retain", "1h", "--retain", "1GiB", "--idle", "50ms")...)
		mustKeep(t, node, channel, channel+"-by-reader")
		for _, c := range []string{channel, channel + "-by-reader"} {
			command(t, exitFine, "", streamArgs(node, "read", c, "--idle", "100ms", "--delete")...)
		}
		if all := resources(t, node); strings.Contains(all, channel) {
			t.Errorf("left: %s", all)
		}
	})
}

// mustKeep checks that these streams keep an hour and a gibibyte.
func mustKeep(t *testing.T, node *rabbit.Node, streams ...string) {
	t.Helper()
	queues, err := node.Ctl(t.Context(), "list_queues", "--quiet", "name", "arguments")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(queues) {
		name, arguments, _ := strings.Cut(line, "\t")
		if strings.Contains(arguments, `"x-max-age","3600s"`) && strings.Contains(arguments, `"x-max-length-bytes",1073741824`) {
			streams = slices.DeleteFunc(streams, func(s string) bool { return s == name })
		}
	}
	if len(streams) > 0 {
		t.Errorf("%v keep something else: %s", streams, queues)
	}
}

func TestInterruptedReaderOfAStreamGoesOnAtRabbitMQ(t *testing.T) {
	rabbittest.EachVersion(t, func(t *testing.T, node *rabbit.Node) {
		channel, in := newName("demo-goes-on", rand.Text()), textLines(5000)
		command(t, exitFine, in, streamArgs(node, "write", channel, "--create", "--sub-entries", "50")...)
		args := streamArgs(node, "read", channel, "--name", "billing")
		all := ""
		for range 3 {
			out := &pressing{stop: stopperOf(t)}
			console, _, said := captured("")
			console.out = out
			if err := parseInto(t, args...).Read.Run(console, out.stop); err != nil {
				t.Fatal(err, said)
			}
			if out.Len() == 0 {
				t.Error("it was interrupted before it wrote anything")
			}
			all += out.String()
		}
		left := 5000 - strings.Count(all, "\n")
		if rest, _ := command(t, exitFine, "", append(args, "--count", fmt.Sprint(left))...); left < 1 || all+rest != in {
			t.Errorf("%d lines before, %d to go: %d bytes came out, want %d", 5000-left, left, len(all+rest), len(in))
		}
	})
}

// An earlier run's records are in the stream: they are none of this one's.
// await waits for a channel to be closed, or for the end of what would close it.
// backAgain waits until each of these parts has failed and is ready again.
func TestStreamsThatDoNotAnswer(t *testing.T) {
	node := rabbittest.Shared(t, rabbit.V4_0)
	for _, elsewhere := range []string{"127.0.0.1:1", node.Address()} {
		_, said := command(t, exitFailed, "", "read", "c", "--plane", "stream", "--broker", node.URL(), "--stream-broker", "rabbitmq-stream://me:never-show-this@"+elsewhere)
		for _, want := range []string{elsewhere + " do not: ", "rabbitmq_stream", "--stream-broker"} {
			if !strings.Contains(said, want) {
				t.Errorf("no %q in %s", want, said)
			}
		}
		if strings.Contains(said, "never-show-this") || strings.Count(said, "\n") != 1 {
			t.Error(said)
		}
	}
}

func TestStreamsTakeThePasswordFromElsewhere(t *testing.T) {
	node := rabbittest.Shared(t, rabbit.V4_0)
	bare := func(full string) string {
		u, err := url.Parse(full)
		if err != nil {
			t.Fatal(err)
		}
		u.User = nil
		return u.String()
	}
	with := func(full, user string) string { return strings.Replace(full, "://", "://"+user+"@", 1) }
	amqp, streams := bare(node.URL()), bare(node.StreamURL())
	for _, c := range []struct {
		name, broker, streams, password string // "": not in the environment
		fails                           bool
	}{
		{"AMQP's URL", node.URL(), streams, "", false},
		{"AMQP's URL, for a user of the stream URL", node.URL(), with(streams, "guest"), "", false},
		{"the environment", with(amqp, "guest"), with(streams, "guest"), "guest", false},
		{"the stream URL, whose own is wrong", node.URL(), with(streams, "guest:never-show-this"), "guest", true},
		{"AMQP's URL, but not for another user", node.URL(), with(streams, "nobody"), "", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.password != "" {
				t.Setenv(envPassword, c.password)
			}
			want := exitFine
			if c.fails {
				want = exitFailed
			}
			out, said := command(t, want, "", "run", "--plain", "--plane", "stream", "--records", "100", "--broker", c.broker, "--stream-broker", c.streams)
			if strings.Contains(out+said, "never-show-this") || c.fails && !strings.Contains(said, "permission denied") {
				t.Error(out, said)
			}
		})
	}
	console, _, _ := captured("")
	t.Setenv(envStreamURL, node.StreamURL())
	if status := run([]string{"run", "--plain", "--records", "100", "--broker", node.URL()}, console); status != exitFine {
		t.Errorf("the environment's URL of streams is no flag of the plane of queues: status %d", status)
	}
}
