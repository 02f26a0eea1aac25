package process

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
)

// life is one life of a child.
type life struct {
	*testing.T
	spec
	ctx    context.Context
	cmd    *exec.Cmd
	orders *json.Encoder
	stdin  io.Closer
	stderr bytes.Buffer
	words  chan word // closed when it has said its last
	once   sync.Once
	exit   error
}

// begin starts a child, from this binary. It ends with the test at the latest: its standard input does.
func begin(ctx context.Context, t *testing.T, s spec) *life {
	t.Helper()
	return beginFrom(ctx, t, os.Args[0], s)
}

func beginFrom(ctx context.Context, t *testing.T, binary string, s spec, env ...string) *life {
	t.Helper()
	text, err := json.Marshal(&s)
	if err != nil {
		t.Fatal(err)
	}
	l := &life{T: t, spec: s, ctx: ctx, cmd: exec.Command(binary), words: make(chan word)}
	l.cmd.Env = append(append(os.Environ(), childEnv+"="+string(text)), env...)
	l.cmd.Stderr = &l.stderr
	stdin, err := l.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := l.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := l.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	l.stdin, l.orders = stdin, json.NewEncoder(stdin)
	go l.hear(stdout)
	t.Cleanup(func() {
		l.kill()
		for range l.words {
		}
		l.wait()
		if t.Failed() && l.stderr.Len() > 0 {
			t.Logf("%s said: %s", s.Name, l.stderr.Bytes())
		}
	})
	return l
}

// hear takes in whole lines: what a child that was killed has not said to the end is not said.
func (l *life) hear(stdout io.Reader) {
	defer close(l.words)
	in := bufio.NewReaderSize(stdout, 1<<16)
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return
		}
		var w word
		if err := json.Unmarshal(line, &w); err != nil {
			l.Errorf("%s said %q: %v", l.Name, line, err)
			continue
		}
		l.words <- w
	}
}

// next gives the child's next word. False: it has said its last.
func (l *life) next() (word, bool) {
	select {
	case w, more := <-l.words:
		return w, more
	case <-l.ctx.Done():
		l.Errorf("%s says nothing more, and lives: %v", l.Name, l.ctx.Err())
		l.kill()
		for range l.words {
		}
		return word{}, false
	}
}

// await gives the next word of that kind, and takes what comes before.
func (l *life) await(what says, take func(word)) word {
	l.Helper()
	for {
		w, more := l.next()
		switch {
		case !more:
			l.Fatalf("%s ended before it was %s: %s", l.Name, what, l.complaint())
		case w.Says == what:
			return w
		case take != nil:
			take(w)
		}
	}
}

// last takes all that the child says until it ends, and gives its exit status: -1 when a signal has ended it.
func (l *life) last(take func(word)) int {
	for {
		w, more := l.next()
		if !more {
			break
		}
		take(w)
	}
	var exit *exec.ExitError
	if err := l.wait(); err != nil && !errors.As(err, &exit) {
		l.Error(err)
	}
	return l.cmd.ProcessState.ExitCode()
}

// complaint is what a child that has said its last leaves on standard error.
func (l *life) complaint() string {
	_ = l.wait()
	return l.stderr.String()
}

// wait waits for the end of a child that has said its last, whoever asks.
func (l *life) wait() error {
	l.once.Do(func() { l.exit = l.cmd.Wait() })
	return l.exit
}

func (l *life) signal(s syscall.Signal) {
	if err := l.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		l.Error(err)
	}
}

func (l *life) kill() { l.signal(syscall.SIGKILL) }
