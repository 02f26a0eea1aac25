package rabbit

import (
	"bytes"
	"context"
	"fmt"
	"strings"
)

// Ctl runs rabbitmqctl against the node and returns all that it says. It blocks
// for one to two seconds, most of which is the tool's own start; when ctx ends
// first, it is killed.
func (n *Node) Ctl(ctx context.Context, args ...string) (string, error) {
	if err := n.stillOpen(); err != nil {
		return "", err // the ports may be another node's by now
	}
	var out bytes.Buffer
	cmd := n.sandbox("/usr/lib/rabbitmq/bin/rabbitmqctl", args...)
	cmd.Stdout, cmd.Stderr = &out, &out
	ctl, err := launchSandbox(cmd)
	if err != nil {
		return "", err
	}
	select {
	case <-ctl.done:
		err = ctl.err
	case <-ctx.Done():
		ctl.kill()
		err = ctx.Err()
	}
	if err != nil {
		return out.String(), fmt.Errorf("rabbitmqctl %s: %w: %s",
			strings.Join(args, " "), err, lastLines(out.Bytes(), 5))
	}
	return out.String(), nil
}

// Sync puts what was declared so far on disk, and blocks for as long as Ctl.
//
// Mnesia logs a declare in two records, and for a while after declare-ok the
// second, the decision to commit, is only in the Erlang VM's memory. A node that
// is killed in this time takes the declare back when it starts again, and with
// the queue all of its confirmed messages: 3.10 and 4.0 did so in one of ten
// kills. So a test that declares and kills calls Sync in between.
func (n *Node) Sync(ctx context.Context) error {
	_, err := n.Ctl(ctx, "eval", "ok = mnesia:sync_log().")
	return err
}
