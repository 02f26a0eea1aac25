package rabbit_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// procs are handles (pidfds) of processes, which no reuse of a pid can confuse.
type procs map[string]int

// procsOf finds everything that runs for the Erlang node of this name: all of
// it has the name in its environment.
func procsOf(t *testing.T, name string) procs {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		t.Fatal(err)
	}
	found := make(procs)
	for _, file := range files {
		env, err := os.ReadFile(file)
		if err != nil || !bytes.Contains(env, []byte("RABBITMQ_NODENAME="+name+"\x00")) {
			continue // also one that has ended since
		}
		found.add(t, filepath.Dir(file))
	}
	return found
}

func (p procs) add(t *testing.T, dir string) {
	t.Helper()
	pid, err := strconv.Atoi(filepath.Base(dir))
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return // it has ended since
	}
	t.Cleanup(func() { unix.Close(fd) })
	comm, _ := os.ReadFile(filepath.Join(dir, "comm"))
	p[strings.TrimSpace(string(comm))+" "+filepath.Base(dir)] = fd
}

// has says whether a program is among the processes.
func (p procs) has(program string) bool {
	for name := range p {
		if strings.HasPrefix(name, program+" ") {
			return true
		}
	}
	return false
}

// mustEnd waits for the end of all of them; within 0 it only looks.
func (p procs) mustEnd(t *testing.T, within time.Duration) {
	t.Helper()
	for name, fd := range p {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(fds, int(within.Milliseconds()))
		for err == unix.EINTR {
			n, err = unix.Poll(fds, int(within.Milliseconds()))
		}
		if err != nil || n != 1 {
			t.Errorf("%s still runs (%v)", name, err)
		}
	}
}
