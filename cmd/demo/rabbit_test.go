package main

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/d2e2d648/weir/test/rabbit"
	"github.com/d2e2d648/weir/test/rabbit/rabbittest"
)

// command runs a command line, with what it reads, and gives its output.
func command(t *testing.T, wantStatus int, in string, args ...string) (out, said string) {
	t.Helper()
	console, stdout, stderr := captured(in)
	if status := run(args, console); status != wantStatus {
		t.Fatalf("%v: status %d, want %d: %s", args, status, wantStatus, stderr)
	}
	return stdout.String(), stderr.String()
}

func TestLinesThroughRabbitMQ(t *testing.T) {
	rabbittest.EachVersion(t, func(t *testing.T, node *rabbit.Node) {
		schema := schemaFile(t)
		for _, c := range []struct {
			name, in string
			args     []string
		}{
			{"text", textLines(5000), nil},
			{"avro", orderLines(5000), []string{"--schema", schema}},
		} {
			t.Run(c.name, func(t *testing.T) {
				channel := "demo-lines-" + c.name
				ends := append([]string{channel, "--broker", node.URL()}, c.args...)
				if _, said := command(t, exitFine, c.in, append([]string{"write", "--create"}, ends...)...); said != "5,000 records were confirmed\n" {
					t.Error(said)
				}
				first, _ := command(t, exitFine, "", append([]string{"read", "--count", "2345"}, ends...)...)
				rest, _ := command(t, exitFine, "", append([]string{"read", "--count", "2655", "--delete"}, ends...)...)
				if strings.Count(first, "\n") != 2345 || first+rest != c.in {
					t.Errorf("%d bytes went in, %d and %d came out", len(c.in), len(first), len(rest))
				}
			})
		}
	})
}

// With --compat a pypz peer can declare the channel again: a classic queue, no dead letters.
func TestCompatDeclaresAsPypzDoes(t *testing.T) {
	rabbittest.EachVersion(t, func(t *testing.T, node *rabbit.Node) {
		ends := []string{"demo-compat", "--broker", node.URL(), "--compat"}
		command(t, exitFine, "a\nb\n", append([]string{"write", "--create"}, ends...)...)
		queues, err := node.Ctl(t.Context(), "list_queues", "--quiet", "name", "type", "arguments")
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range strings.Split(queues, "\n") {
			line = strings.Replace(line, `{"x-queue-type","classic"}`, "", 1) // what RabbitMQ 4 adds by itself
			if name, rest, _ := strings.Cut(line, "\t"); name == "demo-compat" && strings.TrimSpace(rest) != "classic\t[]" || name == "demo-compat.dead" {
				t.Errorf("%q", line)
			}
		}
		if out, _ := command(t, exitFine, "", append([]string{"read", "--count", "2", "--delete"}, ends...)...); out != "a\nb\n" {
			t.Errorf("%q", out)
		}
	})
}

func TestRunThroughRabbitMQ(t *testing.T) {
	rabbittest.EachVersion(t, func(t *testing.T, node *rabbit.Node) {
		args := []string{"--broker", node.URL(), "--records", "5000", "--rate", "10000", "--health-interval", "50ms", "--ordered", "--crashes", "3"}
		for _, child := range crashable() {
			args = append(args, "--crash", string(child)+"=panic@50ms")
		}
		r := runReport(t, exitFine, args...)
		mustBeWhole(t, r)
		for _, a := range r.Actors {
			if a.Restarts != 3 || a.Injected != 3 {
				t.Errorf("%+v: want 3 restarts", a)
			}
		}
		r = runReport(t, exitFine, "--broker", node.URL(), "--records", "2000", "--rate", "0", "--readers", "2", "--fan-out")
		mustBeWhole(t, r)
	})
}

func TestPasswordNeedNotBeInTheURL(t *testing.T) {
	node := rabbittest.Shared(t, rabbit.V4_0)
	full, err := url.Parse(node.URL())
	if err != nil {
		t.Fatal(err)
	}
	password, _ := full.User.Password()
	full.User = url.User(full.User.Username())
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte(password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"run", "--plain", "--records", "100", "--broker", full.String()}
	t.Setenv(envPassword, "never-show-this")
	if out, said := command(t, exitFailed, "", args...); strings.Contains(out+said, "never-show-this") || !strings.Contains(said, "refused") {
		t.Errorf("with a wrong password: %s%s", out, said)
	}
	command(t, exitFine, "", append(args, "--password-file", file)...)
	t.Setenv(envPassword, password)
	command(t, exitFine, "", args...)
}

func TestNobodyAtTheBrokersAddress(t *testing.T) {
	_, said := command(t, exitFailed, "", "read", "c", "--timeout", "300ms", "--broker", "amqp://me:never-show-this@127.0.0.1:1")
	if !strings.Contains(said, "127.0.0.1:1") || !strings.Contains(said, "is it running") || strings.Contains(said, "never-show-this") {
		t.Error(said)
	}
}

func TestWriterThatComesFirstSaysWhatIsMissing(t *testing.T) {
	node := rabbittest.Shared(t, rabbit.V4_0)
	_, said := command(t, exitFailed, "x\n", "write", "demo-nobody", "--timeout", "500ms", "--broker", node.URL())
	if !strings.Contains(said, "--create") || !strings.Contains(said, "demo-nobody") {
		t.Error(said)
	}
	_, said = command(t, exitFailed, "x\n", "write", "demo-unread", "--create", "--wait-readers", "1", "--timeout", "500ms", "--broker", node.URL())
	if !strings.Contains(said, "wait for peers of channel demo-unread") {
		t.Error(said)
	}
}
