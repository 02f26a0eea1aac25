package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/messages"
)

// roster is what is known of a channel and its peers, look after look. It has no clock: a look says when it was.
type roster struct {
	channel, broker string
	began           time.Time
	at              time.Time
	peers           []*peerRow // in the order in which they are shown
	queues          []queueSeen
	deaf            map[messages.Side]string
	lastDeaf        map[messages.Side]time.Time // when a side was last deaf
}

func newRoster(channel, where string, began time.Time) *roster {
	return &roster{channel: channel, broker: where, began: began, lastDeaf: map[messages.Side]time.Time{}}
}

func sniffSides() []messages.Side { return []messages.Side{messages.Reading, messages.Writing} }

// sniffNews is one thing that has changed.
type sniffNews struct {
	at   time.Time
	mood mood
	text string
}

type mood int

const (
	neutral mood = iota
	good
	bad
)

// stateKinds in the order of life: of two that were said in the same millisecond, the first came first.
func stateKinds() []messages.Kind {
	return []messages.Kind{messages.StatusOpened, messages.StatusStarted, messages.StatusStopped, messages.StatusClosed, messages.StatusError}
}

// take takes in one look and gives what has changed since the last one.
func (r *roster) take(seen *sighting) (news []sniffNews) {
	r.at, r.queues = seen.at, seen.queues
	news = r.takeDeaf(seen)
	known := map[string]*peerRow{}
	for _, row := range r.peers {
		known[rowKey(&row.Peer)] = row
	}
	r.peers = r.peers[:0]
	before := 0
	for i := range seen.peers {
		p := &seen.peers[i]
		row := known[rowKey(p)]
		if row == nil {
			row = &peerRow{since: seen.at}
		}
		was := row.health
		row.update(p, seen.at)
		r.peers = append(r.peers, row)
		switch {
		case row.told:
			news = append(news, row.changes(r.began, seen.at)...)
			if row.health != was && !r.unsure(row) {
				news = append(news, row.healthNews(was, seen.at)...)
			}
		case row.settled(seen.at):
			row.tell()
			if row.health == closed && !row.Heard {
				before++
			} else {
				news = append(news, row.appeared(seen.at))
			}
		}
	}
	if before > 0 {
		news = append(news, sniffNews{at: seen.at, text: count(before, "peer") + " had closed before"})
	}
	r.sort()
	return news
}

func rowKey(p *messages.Peer) string { return string(p.Side) + " " + p.Name }

func (r *roster) takeDeaf(seen *sighting) (news []sniffNews) {
	for _, side := range sniffSides() {
		why, deaf := seen.deaf[side]
		_, was := r.deaf[side]
		switch {
		case deaf && !was:
			news = append(news, sniffNews{seen.at, bad, fmt.Sprintf("%ss cannot be heard: %s; tries again", side, printable(why))})
		case was && !deaf:
			news = append(news, sniffNews{seen.at, good, fmt.Sprintf("%ss are heard again", side)})
		}
		if deaf {
			r.lastDeaf[side] = seen.at
		}
	}
	r.deaf = seen.deaf
	return news
}

// unsure says that a peer's silence may be our own deafness.
func (r *roster) unsure(row *peerRow) bool {
	last, was := r.lastDeaf[row.Side]
	return was && r.at.Sub(last) < sniffListen && (row.health == late || row.health == unhealthy)
}

// sort puts who is there before who is gone, readers before writers, groups together.
func (r *roster) sort() {
	place := func(row *peerRow) int {
		switch {
		case row.health == closed:
			return 2
		case row.health.gone():
			return 1
		}
		return 0
	}
	slices.SortFunc(r.peers, func(a, b *peerRow) int {
		return cmp.Or(place(a)-place(b), cmp.Compare(a.Side, b.Side), cmp.Compare(a.Group, b.Group), cmp.Compare(a.GroupIndex, b.GroupIndex), cmp.Compare(a.Name, b.Name))
	})
}

// sideTotals is a side in figures.
type sideTotals struct {
	there, healthy, closed int
	rate                   float64
	rated                  bool
}

func (r *roster) totals(side messages.Side) (t sideTotals) {
	for _, row := range r.peers {
		if row.Side != side {
			continue
		}
		switch {
		case row.health == closed:
			t.closed++
		case !row.health.gone():
			t.there++
		}
		if row.health == healthy {
			t.healthy++
		}
		if rate, known := row.speed(); known {
			t.rate += rate
			t.rated = true
		}
	}
	return t
}

// totalsText says how many peers are there and how fast.
func (r *roster) totalsText(side messages.Side, verb string) string {
	t := r.totals(side)
	text := fmt.Sprintf("%s, %s healthy", count(t.there, string(side)), number(t.healthy))
	if t.rated {
		text += fmt.Sprintf(", %s %s/s", verb, rateText(t.rate))
	}
	return text
}

// queueTexts say what is in the queues; of dead letters and missing replicas only where there are some.
func (r *roster) queueTexts() (parts []string) {
	away := false
	for i := range r.queues {
		q := &r.queues[i]
		switch {
		case errors.Is(q.err, broker.ErrUnavailable):
			away = true
		case q.err != nil:
			parts = append(parts, fmt.Sprintf("%s cannot be asked: %s", printable(q.name), printable(firstLine(q.err))))
		case !q.known:
		case !q.exists && i == 0:
			parts = append(parts, "no "+q.kind()+" "+printable(q.name))
		case !q.exists:
		case q.stream:
			parts = append(parts, "stream "+printable(q.name))
		case q.main:
			parts = append(parts, fmt.Sprintf("queue %s: %s ready, %s", printable(q.name), number(q.info.Ready), count(q.info.Consumers, "consumer")))
		case q.info.Ready > 0:
			parts = append(parts, count(q.info.Ready, "dead letter"))
		}
	}
	if away {
		parts = append(parts, r.queues[0].kind()+"s cannot be asked: the broker cannot be reached")
	}
	return parts
}
