package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/d2e2d648/weir"
	"github.com/d2e2d648/weir/messages"
)

// Many channels in one process lose their connections at once, and are to come back without a storm: with few connections, without refusals, and soon.

const (
	stormChannels = 1000
	stormCalm     = 8 * time.Second // by then history has been read, and all is quiet
	stormWithin   = 3 * time.Minute
)

type stormResult struct {
	Fault       string
	Channels    int
	First, Last time.Duration // when a channel delivered its first record that was written since
	Ready       time.Duration // when all parts were ready again
	Failures    int           // of parts
	Dropped     int           // events that were not counted
	Dialled     int           // connections that were attempted
	LoggedIn    int           // connections that the broker let in
	Errors      int           // what the broker's log calls one
}

func (v *recovery) storms(ctx context.Context) error {
	n := stormChannels
	if v.quick {
		n = 50
	}
	if !v.only.MatchString("storm") {
		return nil
	}
	v.say("%s channels: opening", thousands(n))
	l := &lot{name: "storm"}
	rt, err := weir.Open(ctx, v.behind(quorum).url)
	if err != nil {
		return err
	}
	l.rt = rt
	err = l.open(ctx, n)
	for _, fault := range []string{faultReset, faultKill, faultStop} {
		if err != nil {
			break
		}
		pause(ctx, stormCalm)
		v.say("%s channels: %s", thousands(n), fault)
		err = v.storm(ctx, l, fault)
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	return errors.Join(err, rt.Close(ending))
}

// storm has all channels lose their connections, and waits until all are back.
func (v *recovery) storm(ctx context.Context, l *lot, fault string) error {
	ctx, cancel := context.WithTimeout(ctx, stormWithin)
	defer cancel()
	s := stormResult{Fault: fault, Channels: len(l.writers)}
	events := l.rt.Subscribe()
	defer events.Close()
	var failed atomic.Int64
	go failures(events, &failed)
	log, err := os.ReadFile(v.node.Log())
	if err != nil {
		return err
	}
	dialled := v.network.dialled()
	starting := make(chan error, 1)
	if fault == faultReset {
		v.network.reset()
		starting <- nil
	} else {
		if err := v.down(ctx, fault); err != nil {
			return err
		}
		go func() { starting <- v.node.Restart(ctx) }()
		v.answers(ctx, quorum)
	}
	began := time.Now()
	err = errors.Join(l.comeBack(ctx, began, &s), <-starting)
	if err == nil {
		err = l.whole(ctx)
		s.Ready = time.Since(began)
	}
	s.Failures, s.Dropped, s.Dialled = int(failed.Load()), events.Dropped(), v.network.dialled()-dialled
	v.Storms = append(v.Storms, s)
	return errors.Join(err, v.Storms[len(v.Storms)-1].heard(v.node.Log(), len(log)))
}

// comeBack waits until each channel has delivered a record that is written now.
func (l *lot) comeBack(ctx context.Context, began time.Time, s *stormResult) error {
	var g errgroup.Group
	var mu sync.Mutex
	for i := range l.writers {
		g.Go(func() error { return l.writers[i].Write(ctx, make([]byte, 100)) })
		g.Go(func() error {
			if err := l.read(ctx, i, 1); err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			s.Last = time.Since(began)
			if s.First == 0 {
				s.First = s.Last
			}
			return nil
		})
	}
	return g.Wait()
}

// heard takes in what the broker has logged since.
func (s *stormResult) heard(file string, from int) error {
	log, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	log = log[min(from, len(log)):]
	s.LoggedIn = bytes.Count(log, []byte("authenticated and granted access"))
	s.Errors = bytes.Count(log, []byte("[error]"))
	return nil
}

// failures counts the parts that fail, until the subscription is closed.
func failures(events *weir.Subscription, n *atomic.Int64) {
	for e := range events.All(context.Background()) {
		if _, is := e.(*messages.ChildFailed); is {
			n.Add(1)
		}
	}
}

// whole waits until all parts of all channels are ready.
func (l *lot) whole(ctx context.Context) error {
	var g errgroup.Group
	g.SetLimit(manyAtOnce)
	for i := range l.writers {
		for _, end := range []interface {
			Inspect(context.Context) (*messages.Snapshot, error)
		}{l.writers[i], l.readers[i]} {
			g.Go(func() error {
				for {
					s, err := end.Inspect(ctx)
					if err != nil {
						return err
					}
					if !slices.ContainsFunc(s.Children, func(c messages.ChildSnapshot) bool { return !c.Ready && c.Child != messages.Topology }) {
						return nil
					}
					pause(ctx, 20*time.Millisecond)
				}
			})
		}
	}
	return g.Wait()
}

func stormTable(all []stormResult) string {
	if len(all) == 0 {
		return "It was not measured."
	}
	var b strings.Builder
	b.WriteString("| channels | | first record | last channel's first | all parts ready | parts that failed | connections attempted | let in | errors in the broker's log |\n|--:|---|--:|--:|--:|--:|--:|--:|--:|\n")
	for _, s := range all {
		failures := thousands(s.Failures)
		if s.Dropped > 0 {
			failures = fmt.Sprintf("%s, and %s events that were not counted", failures, thousands(s.Dropped))
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %d | %d | %d |\n", thousands(s.Channels), s.Fault, longOrNever(s.First), longOrNever(s.Last), longOrNever(s.Ready), failures,
			s.Dialled, s.LoggedIn, s.Errors)
	}
	return b.String()
}
