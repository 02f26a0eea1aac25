package main

import (
	"context"
	"errors"
	"time"

	"github.com/d2e2d648/weir/actors"
	"github.com/d2e2d648/weir/broker"
)

// queueSeen is what the broker last said of a queue.
type queueSeen struct {
	name   string
	main   bool // a data queue, or the stream; else that of dead letters
	stream bool
	known  bool // it was asked, and has answered
	exists bool
	info   broker.QueueInfo
	err    error // why it cannot be asked
}

const (
	askEvery        = 2 * time.Second
	askMissingEvery = 10 * time.Second // each answer that there is none costs a channel at the broker
	askMost         = 32               // queues of a group
)

// queueAsker asks for a channel's queues by passive declarations, which change nothing. One goroutine uses it.
type queueAsker struct {
	lease   broker.Lease
	all     []*askedQueue // in the order in which they are shown
	answers chan queueAnswer
	channel string
}

type askedQueue struct {
	queueSeen
	asking bool
	next   time.Time // when it is due
}

type queueAnswer struct {
	queue *askedQueue
	broker.Result
}

func newQueueAsker(lease broker.Lease, channel string, stream bool) *queueAsker {
	a := &queueAsker{lease: lease, channel: channel, answers: make(chan queueAnswer, askMost+1)} // there is room for an answer of each
	a.add(actors.DataQueue(channel, 0), true)
	a.add(channel+".dead", false)
	a.all[0].stream = stream
	return a
}

func (a *queueAsker) add(name string, data bool) {
	a.all = append(a.all, &askedQueue{queueSeen: queueSeen{name: name, main: data}})
}

// look asks for what is due, among them a queue for each replica up to the index, and gives what is known.
func (a *queueAsker) look(now time.Time, replicas int) []queueSeen {
	for n := len(a.all) - 1; n <= replicas && n < askMost && !a.all[0].stream; n++ {
		a.add(actors.DataQueue(a.channel, n), true)
	}
	for len(a.answers) > 0 {
		a.take(<-a.answers, now)
	}
	seen := make([]queueSeen, 0, len(a.all))
	for _, q := range a.all {
		if !q.asking && !now.Before(q.next) && !errors.Is(q.err, broker.ErrPermission) {
			q.asking = true
			a.lease.Do(broker.InspectQueue{Name: q.name}, func(r broker.Result) { a.answers <- queueAnswer{q, r} })
		}
		seen = append(seen, q.queueSeen)
	}
	return seen
}

// await waits until all that was asked is answered.
func (a *queueAsker) await(ctx context.Context) {
	for a.waits() {
		select {
		case answer := <-a.answers:
			a.take(answer, time.Now())
		case <-ctx.Done():
			return
		}
	}
}

func (a *queueAsker) waits() bool {
	for _, q := range a.all {
		if q.asking {
			return true
		}
	}
	return false
}

func (a *queueAsker) take(answer queueAnswer, now time.Time) {
	q := answer.queue
	q.asking, q.next = false, now.Add(askEvery)
	switch {
	case answer.Err == nil:
		q.known, q.exists, q.info, q.err = true, true, answer.Queue, nil
	case errors.Is(answer.Err, broker.ErrNotFound):
		q.known, q.exists, q.info, q.err = true, false, broker.QueueInfo{}, nil
		if q != a.all[0] {
			q.next = now.Add(askMissingEvery)
		}
	default:
		q.err = answer.Err
	}
}

// kind is what it is, in a word.
func (q *queueSeen) kind() string {
	if q.stream {
		return planeStream
	}
	return planeQueue
}
