package rabbit

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// process is a child that does not outlive this process.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when the child has ended
	err  error         // how it ended; read it after done
}

// launch starts cmd as a child that the kernel kills when this process dies.
func launch(cmd *exec.Cmd) (*process, error) {
	p := &process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error, 1)
	go p.own(started)
	return p, <-started
}

// own starts the child and waits for its end. The kernel ties "the parent's
// death" to the thread that made the child, so this goroutine keeps its thread
// for as long as the child lives.
func (p *process) own(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(p.done)
	if p.cmd.SysProcAttr == nil {
		p.cmd.SysProcAttr = new(syscall.SysProcAttr)
	}
	p.cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	if p.err = p.cmd.Start(); p.err != nil {
		started <- p.err
		return
	}
	started <- nil
	p.err = p.cmd.Wait()
}

// pid is the child's process id as the owner sees it.
func (p *process) pid() int { return p.cmd.Process.Pid }

// ended is the error of a child that should not have ended; ask after done.
func (p *process) ended(who string) error {
	if p.err == nil {
		return fmt.Errorf("%s ended by itself", who)
	}
	return fmt.Errorf("%s ended: %w", who, p.err)
}

// signal sends sig; a child that has ended already is no error.
func (p *process) signal(sig syscall.Signal) error {
	err := p.cmd.Process.Signal(sig)
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

// stopsWithin is far more than a signal takes to reach every thread.
const stopsWithin = 10 * time.Second

// freeze stops the child, and waits until every thread of it has stopped: the
// signal only asks for it.
func (p *process) freeze() error {
	if err := p.signal(syscall.SIGSTOP); err != nil {
		return err
	}
	for late := time.Now().Add(stopsWithin); ; {
		runs, err := p.runs()
		select {
		case <-p.done:
			return nil
		case <-time.After(time.Millisecond): // nobody announces it
		}
		switch {
		case err != nil:
			return err
		case !runs:
			return nil
		case time.Now().After(late):
			return fmt.Errorf("process %d has not stopped within %v", p.pid(), stopsWithin)
		}
	}
}

// runs says whether a thread of the child has not stopped.
func (p *process) runs() (bool, error) {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", p.pid()))
	if err != nil || len(threads) == 0 {
		return false, errors.Join(fmt.Errorf("process %d has %d threads", p.pid(), len(threads)), err)
	}
	return slices.ContainsFunc(threads, func(path string) bool {
		stat, err := os.ReadFile(path)
		_, state, _ := strings.Cut(string(stat), ") ")
		return err == nil && !strings.HasPrefix(state, "T")
	}), nil
}

// kill ends the child and everything it has started, and waits for that: the
// first process of a PID namespace ends only after all the others.
func (p *process) kill() {
	_ = p.signal(syscall.SIGKILL) // no child escapes this one
	<-p.done
}
