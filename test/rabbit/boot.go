package rabbit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// bootLimit bounds one start of the Erlang VM, on a machine that has other
// things to do.
const bootLimit = 2 * time.Minute

// run starts the Erlang VM and waits until it is up.
func (n *Node) run(ctx context.Context, up func(context.Context) bool) error {
	beam, err := n.startBeam()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, bootLimit, errors.New("not up after "+bootLimit.String()))
	defer cancel()
	err = n.await(ctx, beam, up)
	if err == nil {
		return nil
	}
	beam.kill()
	console, _ := os.ReadFile(n.console())
	return fmt.Errorf("%w\n%s", err, lastLines(console, 60))
}

// startBeam makes a new Erlang VM the node's present one.
func (n *Node) startBeam() (*process, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return nil, errClosed
	}
	beam, err := n.launch(n.console(), server)
	if err != nil {
		return nil, err
	}
	n.beam = beam
	return beam, nil
}

// startEpmd starts the node's own port mapper. Left to itself the Erlang VM
// would start one that outlives it.
func (n *Node) startEpmd() (err error) {
	n.epmd, err = n.launch(filepath.Join(n.slot.dir, "epmd.log"), "/usr/bin/epmd")
	return err
}

// launch starts a program in the node's sandbox, with its output in a file.
func (n *Node) launch(output, name string) (*process, error) {
	out, err := os.Create(output)
	if err != nil {
		return nil, err
	}
	defer quietly(out)
	cmd := n.sandbox(name)
	cmd.Stdout, cmd.Stderr = out, out
	return launchSandbox(cmd)
}

func (n *Node) sandbox(name string, args ...string) *exec.Cmd {
	return sandbox(n.tree, n.slot.dir, n.env(), name, args...)
}

// console is where the Erlang VM's own output goes: what it says when it cannot
// even log.
func (n *Node) console() string { return filepath.Join(n.slot.dir, "console.log") }

// await waits until the node is up, has ended, or ctx ends.
func (n *Node) await(ctx context.Context, beam *process, up func(context.Context) bool) error {
	for !up(ctx) {
		select {
		case <-beam.done:
			return beam.ended("the node, while it started,")
		case <-n.epmd.done:
			return n.epmd.ended("epmd")
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(tick):
		}
	}
	return nil
}
