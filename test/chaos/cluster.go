package chaos

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/d2e2d648/weir"
	"github.com/d2e2d648/weir/test/ledger"
	"github.com/d2e2d648/weir/test/rabbit"
)

// Faults of a cluster of three nodes: it goes on without one, and waits without two.

// goesOnWithin is how soon it must. Nodes miss one that is silent after some seconds, and then elect.
const goesOnWithin = 45 * time.Second

// spread makes certain that each node has a copy of the channel's queue or stream.
func (r *run) spread(ctx context.Context) error {
	if !r.plan.Cluster {
		return nil
	}
	out, err := r.eval(ctx, fmt.Sprintf(members, r.channel))
	if err == nil && out != fmt.Sprint(len(r.node.nodes)) {
		err = fmt.Errorf("%s is on %s nodes of %d", r.channel, out, len(r.node.nodes))
	}
	return err
}

// victim is the node that leads, two times of three, or any.
func (r *run) victim(ctx context.Context, f Fault) (*rabbit.Node, error) {
	if f.Which%3 == 0 {
		return r.node.nodes[f.Which/3%len(r.node.nodes)], nil
	}
	out, err := r.eval(ctx, fmt.Sprintf(leads, r.channel))
	for _, node := range r.node.nodes {
		if strings.Trim(out, "'") == node.Name() {
			return node, nil
		}
	}
	return nil, errors.Join(err, fmt.Errorf("%s is led by %s", r.channel, out))
}

// without kills or freezes one node until records go on all the same.
func (r *run) without(ctx context.Context, f Fault) (time.Duration, error) {
	node, err := r.victim(ctx, f)
	if err != nil {
		return 0, err
	}
	end := r.startNode
	r.node.is(node, true)
	if f.Kind == KillOne {
		node.Kill()
	} else if end = r.thaw; node.Freeze() != nil {
		return 0, errors.New("the node cannot be frozen")
	}
	hit := r.ledger.Now()
	err = r.goOn(ctx, hit)
	if err == nil {
		_, err = r.eval(ctx, fmt.Sprintf(missed, node.Name()))
	}
	err = errors.Join(err, end(ctx, node), r.whole(ctx))
	r.node.is(node, false)
	return hit, err
}

// whole waits until the cluster is itself again. The node that is asked may be the one that has to start again.
func (r *run) whole(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	for {
		_, err := r.node.Ctl(ctx, "eval", whole)
		if err == nil || ctx.Err() != nil {
			return err
		}
	}
}

// thaw lets a frozen node go on. It may find that the others had gone on without it, and autoheal does not always see that it starts again: on RabbitMQ 4.0.5 one node asked another for it that knew of no partition.
// Then whoever looks after the cluster has to.
func (r *run) thaw(ctx context.Context, node *rabbit.Node) error {
	if err := node.Thaw(); err != nil {
		return err
	}
	waiting, cancel := context.WithTimeout(ctx, healsWithin)
	defer cancel()
	if r.whole(waiting) == nil {
		return nil
	}
	r.say("%s did not find back by itself, and is started again", node.Name())
	return r.startNode(ctx, node)
}

// healsWithin is how long a cluster may take to be whole again by itself.
const healsWithin = 25 * time.Second

func (r *run) startNode(ctx context.Context, node *rabbit.Node) error {
	starting, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	return node.Restart(starting)
}

// goOn waits until a record that was attempted after the time is with every view.
func (r *run) goOn(ctx context.Context, after time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, goesOnWithin)
	defer cancel()
	for {
		ok := false
		r.ledger.Read(func(l *ledger.Log) { _, ok = l.Recovered(after) })
		if ok {
			return nil
		}
		select {
		case <-time.After(20 * time.Millisecond): // the run waits for what moves, too
		case <-ctx.Done():
			return fmt.Errorf("no record has gone through for %v: two nodes are up", goesOnWithin)
		}
	}
}

// minority kills two nodes. The one that is left must confirm nothing.
func (r *run) minority(ctx context.Context, f Fault) error {
	left := f.Which % len(r.node.nodes)
	var others []*rabbit.Node
	for i, node := range r.node.nodes {
		if i != left {
			others = append(others, node)
			r.node.is(node, true)
			node.Kill()
		}
	}
	from := r.ledger.Now()
	r.last(ctx, f.For)
	confirmed := 0
	r.ledger.Read(func(l *ledger.Log) {
		for _, all := range l.Writers {
			for i := range all {
				if a := &all[i]; a.At > from && a.Settled > 0 && a.Outcome == weir.Confirmed {
					confirmed++
				}
			}
		}
	})
	if confirmed > 0 {
		r.bad("two of three nodes were killed, and %d records that were attempted after that were confirmed", confirmed)
	}
	errs := make([]error, len(others))
	var all sync.WaitGroup
	for i, node := range others {
		all.Go(func() {
			errs[i] = r.startNode(ctx, node)
			r.node.is(node, false)
		})
	}
	all.Wait()
	return errors.Join(errors.Join(errs...), r.whole(ctx))
}

// moveLeader has another node lead.
func (r *run) moveLeader(ctx context.Context) (time.Duration, error) {
	if r.plan.Stream {
		return r.evalAt(ctx, fmt.Sprintf(crash, r.channel))
	}
	return r.evalAt(ctx, fmt.Sprintf(moveLeader, r.channel))
}
