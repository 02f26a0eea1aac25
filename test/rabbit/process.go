package rabbit

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
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

// kill ends the child and everything it has started, and waits for that: the
// first process of a PID namespace ends only after all the others.
func (p *process) kill() {
	_ = p.signal(syscall.SIGKILL) // no child escapes this one
	<-p.done
}
