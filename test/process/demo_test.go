package process

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/d2e2d648/weir"
	"github.com/d2e2d648/weir/test/rabbit"
)

// build builds a program as users have it: without the race detector, which takes many times the memory and keeps it.
func build(t *testing.T, args ...string) (binary string) {
	t.Helper()
	binary = filepath.Join(t.TempDir(), "binary")
	args = append(args[:len(args)-1:len(args)-1], "-o", binary, args[len(args)-1])
	if out, err := exec.CommandContext(t.Context(), "go", args...).CombinedOutput(); err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return binary
}

// SIGTERM to the demo: what "demo write" has sent is confirmed, and it says from where on nothing was sent; "demo read" commits what it has written, and says how much.
func TestDemoThatIsToldToEnd(t *testing.T) {
	demo := build(t, "build", "../../cmd/demo")
	eachVersion(t, func(t *testing.T, node *rabbit.Node) {
		eachPlane(t, func(t *testing.T, onStream bool) {
			s := newScene(t, node, onStream)
			s.endDemo(demo)
			r, err := weir.OpenReader(s.ctx, s.rt, s.Channel, weir.Text(), s.options("reader")...)
			if err != nil {
				t.Fatal(err)
			}
			if left, err := r.HasRecords(s.ctx); err != nil || left {
				t.Errorf("all was committed, and something is left: %v, %v", left, err)
			}
		})
	})
}

// command is a demo command.
type command struct {
	*exec.Cmd
	stdin  io.WriteCloser
	stdout *bufio.Reader
	stderr bytes.Buffer
}

func (s *scene) demo(binary, does string) *command {
	s.Helper()
	args := []string{does, s.Channel, "--broker", s.URL, "--name", does + "er"}
	if s.Stream {
		args = append(args, "--plane", "stream", "--stream-broker", s.StreamURL)
	}
	c := &command{Cmd: exec.CommandContext(s.ctx, binary, args...)}
	c.Stderr = &c.stderr
	var in, out error
	c.stdin, in = c.StdinPipe()
	var stdout io.Reader
	stdout, out = c.StdoutPipe()
	if err := errors.Join(in, out, c.Start()); err != nil {
		s.Fatal(err)
	}
	c.stdout = bufio.NewReader(stdout)
	s.Cleanup(func() {
		if c.ProcessState == nil {
			_ = c.Process.Kill()
			_ = c.Wait()
		}
	})
	return c
}

// terminate sends SIGTERM, and gives the exit status and the last line on standard error.
func (c *command) terminate(s *scene) (status int, says string) {
	s.Helper()
	if err := c.Process.Signal(syscall.SIGTERM); err != nil {
		s.Fatal(err)
	}
	var exit *exec.ExitError
	if err := c.Wait(); err != nil && !errors.As(err, &exit) {
		s.Fatal(err)
	}
	says = strings.TrimSpace(c.stderr.String())
	s.Logf("status %d: %s", c.ProcessState.ExitCode(), says)
	return c.ProcessState.ExitCode(), says
}

var (
	interrupted = regexp.MustCompile(`^demo: interrupted: ([0-9,]+) records were confirmed, nothing from line ([0-9]+) on was sent$`)
	written     = regexp.MustCompile(`^([0-9,]+) records were written and committed`)
)

// figure gives a number that a text says, -1: none.
func figure(says string, in *regexp.Regexp, group int) int {
	if m := in.FindStringSubmatch(says); m != nil {
		if n, err := strconv.Atoi(strings.ReplaceAll(m[group], ",", "")); err == nil {
			return n
		}
	}
	return -1
}

func (s *scene) endDemo(binary string) {
	s.Helper()
	read, write := s.demo(binary, "read"), s.demo(binary, "write")
	s.own.Go(func() {
		for n := 1; ; n++ {
			if _, err := fmt.Fprintf(write.stdin, "line %d\n", n); err != nil {
				return // it reads no more
			}
		}
	})
	line := 0
	until := func(n int) {
		for line < n {
			text, err := read.stdout.ReadString('\n')
			if line++; err != nil || text != fmt.Sprintf("line %d\n", line) {
				s.Fatalf("%q came as line %d: %v", text, line, err)
			}
		}
	}
	until(1 + s.rng.IntN(3000))
	status, says := write.terminate(s)
	sent := figure(says, interrupted, 1)
	if status != 1 || sent < line || figure(says, interrupted, 2) != sent+1 {
		s.Fatalf("demo write: status %d: %s", status, says)
	}
	until(sent)
	if status, says := read.terminate(s); status != 0 || figure(says, written, 1) != sent {
		s.Errorf("demo read: status %d: %s", status, says)
	}
}
