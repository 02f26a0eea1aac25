package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/d2e2d648/weir"
)

// What many channels in one process cost, each with a writer and a reader: opened where all is there, idle, at work, and beside a reader that does not read.

const (
	manyAtOnce = 64 // ends that are opened, or channels that are at work, at a time
	idleFor    = 10 * time.Second
	manyWork   = 50_000 // records, over all channels, but no fewer than perCall on each
	perCall    = 50
	slowShare  = 5_000 // records that wait for the reader that does not read
)

// fact is one line of the report.
type fact struct{ What, Is, Goal, Met string }

// most is a fact that must not be above its goal, least one that must not be below.
func most(what, unit string, is, goal float64) fact {
	return fact{what, amount(is, unit), "≤ " + amount(goal, unit), reached(is <= goal)}
}

func least(what, unit string, is, goal float64) fact {
	return fact{what, amount(is, unit), "≥ " + amount(goal, unit), reached(is >= goal)}
}

func amount(f float64, unit string) string {
	digits := max(0, 2-int(math.Log10(max(1, math.Abs(f)))))
	return strings.TrimSpace(fmt.Sprintf("%.*f %s", digits, f, unit))
}

func reached(is bool) string {
	if is {
		return "met"
	}
	return "**not met**"
}

// lot is many channels, both ends of each.
type lot struct {
	b       *bench
	rt      *weir.Runtime
	name    string
	opts    []weir.Option // of all ends
	writers []*weir.Writer[[]byte]
	readers []*weir.Reader[[]byte]
}

// runMany measures on RabbitMQ, there also beside the raw client, and ten times as many on the embedded broker.
func runMany(ctx context.Context, o options) error {
	node, err := startNode(ctx, o)
	if err != nil {
		return err
	}
	b := newBench(o, node)
	rabbit, besides, err := b.manyOnRabbit(ctx)
	if err = errors.Join(err, node.Close()); err != nil {
		return err
	}
	b.pid = 0
	embedded, err := b.manyEmbedded(ctx)
	if err != nil {
		return err
	}
	return writeSections(o.report, []section{{"many-rabbit", manyTable(rabbit)}, {"many-raw", besides}, {"many-embedded", manyTable(embedded)}})
}

func (b *bench) manyOnRabbit(ctx context.Context) (facts []fact, besides string, err error) {
	open := func() (*weir.Runtime, error) { return weir.Open(ctx, b.node.URL()) }
	b.say("rabbit: making %s channels", thousands(b.many))
	if err := b.make(ctx, "rabbit", b.many, open); err != nil {
		return nil, "", err
	}
	m := newMatch(b.many)
	for round := range b.rounds {
		if err := m.hold(ctx, b, round); err != nil {
			return nil, "", err
		}
	}
	facts, _, err = b.manyOn(ctx, "rabbit", b.many, open)
	return append(facts, m.facts()...), m.table(), err
}

// manyEmbedded has nothing to make before: what the embedded broker has goes with its runtime.
func (b *bench) manyEmbedded(ctx context.Context) ([]fact, error) {
	open := func() (*weir.Runtime, error) { return weir.Embedded(), nil }
	one := &lot{b: b, name: "one"}
	one.rt, _ = open()
	single, err := one.alone(ctx, 10*manyWork) // as many as the channels together have
	if err = errors.Join(err, one.rt.Close(ctx)); err != nil {
		return nil, err
	}
	facts, all, err := b.manyOn(ctx, "embedded", 10*b.many, open)
	return append(facts, overAll(all.rate()/single.rate())), err
}

func overAll(ratio float64) fact {
	return least("throughput over all, of one channel's", "", ratio, 0.9)
}

func manyTable(facts []fact) string {
	var text strings.Builder
	text.WriteString("| | measured | goal | |\n|---|---|---|---|\n")
	for _, f := range facts {
		fmt.Fprintf(&text, "| %s | %s | %s | %s |\n", f.What, f.Is, f.Goal, f.Met)
	}
	return text.String()
}

// manyOn gives the facts, and what all did together.
func (b *bench) manyOn(ctx context.Context, name string, n int, open func() (*weir.Runtime, error)) (facts []fact, all sample, err error) {
	before := calmHeap()
	l := &lot{b: b, name: name}
	if l.rt, err = open(); err != nil {
		return nil, all, err
	}
	facts, all, err = l.measure(ctx, n, before)
	return facts, all, errors.Join(err, l.rt.Close(ctx))
}

// calmHeap is heapKiB when what was closed is gone: timers hold it for two seconds.
func calmHeap() float64 {
	time.Sleep(3 * time.Second)
	return heapKiB()
}

// make opens all ends once, so that the resources are there.
func (b *bench) make(ctx context.Context, name string, n int, open func() (*weir.Runtime, error)) (err error) {
	l := &lot{b: b, name: name}
	if l.rt, err = open(); err != nil {
		return err
	}
	err = l.open(ctx, n)
	return errors.Join(err, l.rt.Close(ctx))
}

// alone is what a single channel does with so many records.
func (l *lot) alone(ctx context.Context, records int) (s sample, err error) {
	if err := l.open(ctx, 1); err != nil {
		return s, err
	}
	return l.b.warm(ctx, l, records)
}

func (l *lot) measure(ctx context.Context, n int, before float64) (facts []fact, all sample, err error) {
	began := time.Now()
	if err := l.open(ctx, n); err != nil {
		return nil, all, err
	}
	took := time.Since(began)
	facts = append(facts, most(fmt.Sprintf("opening %s channels, both ends", thousands(n)), "s", took.Seconds(), 5))
	l.b.say("%s: %s channels are open after %s", l.name, thousands(n), took.Round(time.Millisecond))
	if l.b.pid != 0 {
		connections, err := l.b.connections(ctx)
		if err != nil {
			return nil, all, err
		}
		facts = append(facts, most("AMQP connections", "", float64(connections), 4))
	}
	facts = append(facts, most("memory of a channel, both ends", "KiB", (heapKiB()-before)/float64(n), 100))
	m := startMeter(l.b.pid)
	l.b.say("%s: idle for %s", l.name, idleFor)
	select {
	case <-time.After(idleFor):
	case <-ctx.Done():
		return nil, all, ctx.Err()
	}
	idle := m.stop(1)
	facts = append(facts, most("idle, CPU of a core", "%", 100*idle.ownCores(), 15))
	if l.b.pid != 0 {
		facts = append(facts, fact{"the broker's beside it", amount(100*idle.brokerCores(), "%"), "", ""})
	}
	l.b.say("%s: at work", l.name)
	if all, err = l.b.work(ctx, l, 0, manyWork); err != nil {
		return nil, all, err
	}
	beside, err := l.besideSlow(ctx)
	if err != nil {
		return nil, all, err
	}
	return append(facts, least("throughput beside a reader that does not read, of that before", "", beside.rate()/all.rate(), 0.9)), all, nil
}

// connections is how many AMQP connections the broker has.
func (b *bench) connections(ctx context.Context) (int, error) {
	text, err := b.node.Ctl(ctx, "list_connections", "name", "--quiet", "--no-table-headers")
	return len(strings.Split(strings.TrimSpace(text), "\n")), err
}

// open opens the ends of n channels, readers first: they make what is missing.
func (l *lot) open(ctx context.Context, n int) error {
	l.writers, l.readers = make([]*weir.Writer[[]byte], n), make([]*weir.Reader[[]byte], n)
	var g errgroup.Group
	g.SetLimit(manyAtOnce)
	for i := range n {
		g.Go(func() (err error) {
			channel := channelName(l.name, i)
			if l.readers[i], err = weir.OpenReader(ctx, l.rt, channel, weir.Raw(), l.with("reader")...); err != nil {
				return err
			}
			l.writers[i], err = weir.OpenWriter(ctx, l.rt, channel, weir.Raw(), l.with("writer")...)
			return err
		})
	}
	return g.Wait()
}

func (l *lot) with(name string) []weir.Option {
	return append(l.opts[:len(l.opts):len(l.opts)], weir.Name(name))
}

// channelName is also the name of the queue.
func channelName(lot string, i int) string { return fmt.Sprintf("many-%s-%d", lot, i) }

// besideSlow is what all channels do but one, whose records wait for a reader that does not read.
func (l *lot) besideSlow(ctx context.Context) (s sample, err error) {
	if err := l.writers[0].Write(ctx, bodies(slowShare)...); err != nil {
		return s, err
	}
	return l.b.work(ctx, l, 1, manyWork)
}

func bodies(n int) [][]byte {
	all, body := make([][]byte, n), make([]byte, 100)
	for i := range all {
		all[i] = body
	}
	return all
}

// pairs is a writing and a reading end on each of many channels or queues.
type pairs interface {
	count() int
	write(ctx context.Context, i, n int) error
	read(ctx context.Context, i, n int) error
}

// work writes and reads records on all channels from the given one on.
func (b *bench) work(ctx context.Context, all pairs, from, records int) (sample, error) {
	channels := all.count() - from
	each := max(perCall, records/channels)
	var g errgroup.Group
	slots := make(chan struct{}, 8*manyAtOnce) // writers that are at work
	runtime.GC()
	m := startMeter(b.pid)
	for i := from; i < from+channels; i++ {
		g.Go(func() error {
			slots <- struct{}{}
			defer func() { <-slots }()
			return all.write(ctx, i, each)
		})
		g.Go(func() error { return all.read(ctx, i, each) })
	}
	err := g.Wait()
	return m.stop(each * channels), err
}

// warm is work after a tenth of it, where that is not all.
func (b *bench) warm(ctx context.Context, all pairs, records int) (sample, error) {
	if records/10 >= perCall*all.count() {
		if _, err := b.work(ctx, all, 0, records/10); err != nil {
			return sample{}, err
		}
	}
	if b.pid != 0 {
		settle(b.pid)
	}
	return b.work(ctx, all, 0, records)
}

func (l *lot) count() int { return len(l.writers) }

// write sends perCall records in each call.
func (l *lot) write(ctx context.Context, i, n int) error {
	values := bodies(perCall)
	receipts := make([]*weir.Receipt, 0, n/len(values)+1)
	for ; n > 0; n -= len(values) {
		r, err := l.writers[i].Send(ctx, values[:min(n, len(values))]...)
		if err != nil {
			return err
		}
		receipts = append(receipts, r)
	}
	return settled(ctx, receipts)
}

func (l *lot) read(ctx context.Context, i, n int) error {
	for n > 0 {
		batch, err := l.readers[i].Read(ctx)
		if err != nil {
			return err
		}
		if err := batch.Commit(ctx); err != nil {
			return err
		}
		n -= len(batch.Values)
	}
	return nil
}
