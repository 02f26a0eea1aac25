package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"
	"golang.org/x/sync/errgroup"

	"github.com/d2e2d648/weir"
)

// How much of what many channels cost in throughput is the broker's: the raw client does the same on the same queues.

// rawLot is the raw client on weir's queues: an AMQP channel for each queue and direction, on as many connections as weir has. What is in flight is as weir's defaults have it: inFlight
// records unconfirmed on a queue, two batches ahead, an acknowledgement for each.
type rawLot struct {
	b       *bench
	name    string
	conns   []*amqp.Connection
	outlets []*outlet
	in      []<-chan amqp.Delivery
}

const rawBatch = 100

// open shares n queues out among the connections of each direction.
func (l *rawLot) open(n, connections int) error {
	l.outlets, l.in = make([]*outlet, n), make([]<-chan amqp.Delivery, n)
	for range 2 * connections {
		conn, err := amqp.Dial(l.b.node.URL())
		if err != nil {
			return err
		}
		l.conns = append(l.conns, conn)
	}
	var g errgroup.Group
	g.SetLimit(manyAtOnce)
	for i := range n {
		out := l.conns[i%connections]
		in := l.conns[connections+i%connections]
		g.Go(func() error { return l.openPair(i, out, in) })
	}
	return g.Wait()
}

func (l *rawLot) openPair(i int, out, in *amqp.Connection) error {
	queue := channelName(l.name, i)
	ch, err := out.Channel()
	if err != nil {
		return err
	}
	if err := ch.Confirm(false); err != nil {
		return err
	}
	l.outlets[i] = newOutlet(ch, queue)
	if ch, err = in.Channel(); err != nil {
		return err
	}
	if err := ch.Qos(2*rawBatch, 0, false); err != nil {
		return err
	}
	l.in[i], err = ch.Consume(queue, "", false, false, false, false, nil)
	return err
}

func (l *rawLot) close() (err error) {
	for _, conn := range l.conns {
		err = errors.Join(err, conn.Close())
	}
	return err
}

func (l *rawLot) count() int { return len(l.outlets) }

func (l *rawLot) write(ctx context.Context, i, n int) error {
	body := make([]byte, small)
	return l.outlets[i].publish(ctx, n, nil, func() ([]byte, error) { return body, nil })
}

func (l *rawLot) read(_ context.Context, i, n int) error {
	for k := 1; k <= n; k++ {
		m, ok := <-l.in[i]
		if !ok {
			return errClosed
		}
		if k%rawBatch == 0 || k == n {
			if err := m.Ack(true); err != nil {
				return err
			}
		}
	}
	return nil
}

// match is weir and the raw client on one queue and on many, in every round.
type match struct {
	many    int
	sides   []side
	samples []map[int]sample // by side and round
}

// side is a client on so many queues, weir with options.
type side struct {
	client string
	queues int
	opts   []weir.Option
}

// The sides by what they are.
const (
	weirOne = iota
	rawOne
	weirMany
	rawMany
	weirMute // on many
)

func newMatch(many int) *match {
	m := &match{many: many, sides: []side{{clientWeir, 1, nil}, {clientRaw, 1, nil}, {clientWeir, many, nil}, {clientRaw, many, nil}, {clientWeir + ", without statuses", many, []weir.Option{weir.WithoutStatus()}}}}
	for range m.sides {
		m.samples = append(m.samples, map[int]sample{})
	}
	return m
}

// hold has each side do its work once, one after the other. The first to begin is another in every round.
func (m *match) hold(ctx context.Context, b *bench, round int) error {
	for i := range m.sides {
		at := (i + round) % len(m.sides)
		s := m.sides[at]
		b.say("round %d of %d: %s on %s", round+1, b.rounds, s.client, plural(s.queues, "queue"))
		do := b.weirSide
		if s.client == clientRaw {
			do = b.rawSide
		}
		var err error
		if m.samples[at][round], err = do(ctx, s); err != nil {
			return fmt.Errorf("%s on %s: %w", s.client, plural(s.queues, "queue"), err)
		}
	}
	return nil
}

// weirSide waits until all parts are ready: status history is read behind the opening.
func (b *bench) weirSide(ctx context.Context, side side) (s sample, err error) {
	l := &lot{b: b, name: "rabbit", opts: side.opts}
	if l.rt, err = weir.Open(ctx, b.node.URL()); err != nil {
		return s, err
	}
	if err = l.open(ctx, side.queues); err == nil {
		err = l.whole(ctx)
	}
	if err == nil {
		s, err = b.warm(ctx, l, manyWork)
	}
	return s, errors.Join(err, l.rt.Close(ctx))
}

// rawSide has a connection for each direction, and for many queues two, as weir has.
func (b *bench) rawSide(ctx context.Context, side side) (s sample, err error) {
	l := &rawLot{b: b, name: "rabbit"}
	connections := 1
	if side.queues > 1 {
		connections = 2
	}
	if err = l.open(side.queues, connections); err == nil {
		s, err = b.warm(ctx, l, manyWork)
	}
	return s, errors.Join(err, l.close())
}

func (m *match) over(side, base int) float64 {
	return ratio(m.samples[side], m.samples[base], sample.rate)
}

func (m *match) facts() []fact {
	as := thousands(m.many)
	return []fact{
		overAll(m.over(weirMany, weirOne)),
		{"the raw client's on " + as + " queues, of its on one", amount(m.over(rawMany, rawOne), ""), "", ""},
		least("throughput over all, of the raw client's on "+as+" queues", "", m.over(weirMany, rawMany), 0.9),
		{"the same without statuses", amount(m.over(weirMute, rawMany), ""), "", ""},
	}
}

func (m *match) table() string {
	var text strings.Builder
	text.WriteString("| client | queues | records/s | of one queue's | of the raw client's | client CPU, µs a record | broker CPU | client, cores | broker, cores | disk, MB/s |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n")
	for at, s := range m.sides {
		one, raw := weirOne, rawOne
		if s.client == clientRaw {
			one = rawOne
		}
		if s.queues > 1 {
			raw = rawMany
		}
		var all []sample
		for _, round := range sorted(m.samples[at]) {
			all = append(all, m.samples[at][round])
		}
		fmt.Fprintf(&text, "| %s | %s | %s | %s | %s | %s | %s | %s | %s | %s |\n", s.client, thousands(s.queues), count3(medianOf(all, sample.rate)), times(m.over(at, one)), times(m.over(at, raw)),
			digits(medianOf(all, sample.own)), digits(medianOf(all, sample.broker)), digits(medianOf(all, sample.ownCores)), digits(medianOf(all, sample.brokerCores)), digits(medianOf(all, sample.diskMB)))
	}
	return text.String()
}
