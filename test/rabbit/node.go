package rabbit

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"syscall"
)

// Options say what kind of node to start.
type Options struct {
	// Version is one of [Versions]; empty means the newest.
	Version string
	// Stream enables the stream plugin, on a port of its own (see
	// [Node.StreamAddress]). It makes the start about 0.4 s longer. Stream
	// queues over AMQP do not need it.
	Stream bool
	// Config is appended to the node's rabbitmq.conf, a line for each element.
	Config []string
}

// Node is a private RabbitMQ node. Its methods are safe for concurrent use,
// except that Restart and Close must not run at the same time as each other.
type Node struct {
	options Options
	tree    string
	slot    *slot
	epmd    *process // its own, or that of its cluster's first node
	cluster *Cluster // nil: it is alone

	mu     sync.Mutex
	beam   *process // the present or the last Erlang VM
	closed bool
}

// Start starts a node and blocks until it accepts AMQP connections, which takes
// about 3 s (4.0) to 6 s (3.10) once its [Tree] is built. When ctx ends before
// that, the node is removed and the error says so; afterwards ctx has no effect
// on the node, which lives until Close or the death of this process.
func Start(ctx context.Context, options Options) (*Node, error) {
	if options.Version == "" {
		options.Version = V4_0
	}
	tree, err := Tree(ctx, options.Version)
	if err != nil {
		return nil, err
	}
	s, err := takeSlot()
	if err != nil {
		return nil, err
	}
	n := &Node{options: options, tree: tree, slot: s}
	if err := n.boot(ctx); err != nil {
		err = fmt.Errorf("start RabbitMQ %s: %w", options.Version, err)
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}

// boot does for the first time what Restart does again. A cluster's node has its
// epmd already.
func (n *Node) boot(ctx context.Context) error {
	if err := n.writeFiles(); err != nil {
		return err
	}
	if n.epmd == nil {
		if err := n.startEpmd(); err != nil {
			return err
		}
	}
	return n.run(ctx, n.complete)
}

// URL is where an AMQP client of the default user dials.
func (n *Node) URL() string { return "amqp://guest:guest@" + n.Address() + "/" }

// Address is the host and port of AMQP.
func (n *Node) Address() string { return loopback(n.slot.amqp()) }

// StreamAddress is the host and port of the stream protocol, where something
// answers only with [Options.Stream].
func (n *Node) StreamAddress() string { return loopback(n.slot.stream()) }

// StreamURL is where a stream client of the default user dials, see
// [Node.StreamAddress].
func (n *Node) StreamURL() string { return "rabbitmq-stream://guest:guest@" + n.StreamAddress() }

// Version is the version of RabbitMQ.
func (n *Node) Version() string { return n.options.Version }

// Name is the name of the Erlang node.
func (n *Node) Name() string { return fmt.Sprintf("weir-%d@localhost", n.slot.base) }

// Log is the path of the node's log, which is removed by Close.
func (n *Node) Log() string { return filepath.Join(n.slot.dir, logFile) }

// Pid is the process id of the Erlang VM that runs now or ran last.
func (n *Node) Pid() int { return n.current().pid() }

// Stop ends the node in good order, as the end of its service would, and blocks
// until it has ended. Data and ports stay its own, for Restart. When ctx ends
// first, the node is killed and the context's error returned.
func (n *Node) Stop(ctx context.Context) error {
	beam := n.current()
	// A frozen node would sleep on the request.
	if err := errors.Join(beam.signal(syscall.SIGTERM), beam.signal(syscall.SIGCONT)); err != nil {
		return err
	}
	select {
	case <-beam.done:
		return nil
	case <-ctx.Done():
		beam.kill()
		return fmt.Errorf("RabbitMQ %s did not stop, and was killed: %w", n.Version(), ctx.Err())
	}
}

// Kill is kill -9 of the Erlang VM, frozen or not. It returns when everything
// that the VM has started is gone, too; data and ports stay its own, for
// Restart. What was declared just before may be lost: see [Node.Sync].
func (n *Node) Kill() { n.current().kill() }

// Freeze stops the Erlang VM where it is (SIGSTOP): its connections stay open
// and say nothing more. It blocks until every thread has stopped.
func (n *Node) Freeze() error { return n.current().freeze() }

// Thaw lets a frozen node go on.
func (n *Node) Thaw() error { return n.current().signal(syscall.SIGCONT) }

// Restart starts the node again, on the same data and ports, after stopping it
// if it runs, and blocks until it accepts AMQP connections. On an error the
// node may be retried or closed.
func (n *Node) Restart(ctx context.Context) error {
	if err := n.Stop(ctx); err != nil {
		return err
	}
	if err := n.run(ctx, n.ready); err != nil {
		return fmt.Errorf("restart RabbitMQ %s: %w", n.Version(), err)
	}
	return nil
}

// Close kills the node and its epmd, removes its data and gives its ports back.
// It blocks until that is done; closing again does nothing.
func (n *Node) Close() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return nil
	}
	n.closed = true
	if n.beam != nil {
		n.beam.kill()
	}
	if n.epmd != nil && n.cluster.isFirst(n) {
		n.epmd.kill()
	}
	return n.slot.release()
}

// errClosed is the answer of what cannot be done after Close.
var errClosed = errors.New("the node is closed")

func (n *Node) stillOpen() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return errClosed
	}
	return nil
}

func (n *Node) current() *process {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.beam
}
