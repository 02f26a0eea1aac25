package main

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/d2e2d648/weir/messages"
)

// display shows a run's progress until it is ended.
type display interface{ end() }

func startProgress(c *console, p *pipeline, stop *stopper, plain bool) display {
	m := newMeter(p)
	if plain {
		return startLines(c, m)
	}
	return startScreen(c, m, stop)
}

// startTimeline gives what says the entries of a timeline, on the screen above the tree, or line by line. end ends it.
func startTimeline(c *console, p *pipeline, stop *stopper, plain bool) (say func(entry), end func()) {
	look := newStyles(c.err)
	if plain {
		return func(e entry) { c.say("%s", e.line(100, look)) }, func() {}
	}
	s := startScreen(c, newMeter(p), stop)
	return func(e entry) { s.program.Println(e.line(int(s.columns.Load()), look)) }, s.end
}

// meter measures a run's speed over the last seconds.
type meter struct {
	p       *pipeline
	samples []sample
}

type sample struct {
	at        time.Time
	delivered int
}

// span is the time that speeds are measured over.
const span = 2 * time.Second

func newMeter(p *pipeline) *meter { return &meter{p: p, samples: []sample{{at: time.Now()}}} }

// look gives how far the run is, and its first deliveries a second.
func (m *meter) look(now time.Time) (at progress, rate int) {
	at = m.p.ledger.progress()
	m.samples = append(m.samples, sample{now, at.Delivered})
	for len(m.samples) > 2 && now.Sub(m.samples[0].at) > span {
		m.samples = m.samples[1:]
	}
	first := m.samples[0]
	if elapsed := now.Sub(first.at); elapsed > 0 {
		rate = int(float64(at.Delivered-first.delivered) / elapsed.Seconds())
	}
	return at, rate
}

func (m *meter) stage() string {
	stage, _ := m.p.stage.Load().(string)
	return stage
}

// restarts counts them, says of whom, and how many actors are down now.
func (m *meter) restarts() string {
	all := m.p.tree.restarts()
	total := 0
	var parts []string
	for _, child := range append(crashable(), messages.Topology) {
		if n := all[child]; n > 0 {
			total += n
			parts = append(parts, fmt.Sprintf("%s %d", child, n))
		}
	}
	text := fmt.Sprint(total)
	if total > 0 {
		text += fmt.Sprintf(" (%s)", strings.Join(parts, ", "))
	}
	if down := m.p.tree.notReady(""); down > 0 && m.stage() != "closing" {
		text += fmt.Sprintf("; not ready: %d", down)
	}
	return text
}

// lines shows a line a second, for logs and pipes.
type lines struct {
	stop chan struct{}
	wait sync.WaitGroup
}

func startLines(c *console, m *meter) *lines {
	l := &lines{stop: make(chan struct{})}
	tick := time.NewTicker(time.Second)
	l.wait.Go(func() {
		defer tick.Stop()
		for {
			select {
			case now := <-tick.C:
				at, rate := m.look(now)
				c.say("%5.0f s  %s: sent %s, confirmed %s, delivered %s, under way %s; %s records/s; p99 %s; restarts %s", m.p.since().Seconds(), m.stage(),
					number(at.Sent), number(at.Confirmed), number(at.Delivered), number(at.Missing), number(rate), short(at.P99), m.restarts())
			case <-l.stop:
				return
			}
		}
	})
	return l
}

func (l *lines) end() {
	close(l.stop)
	l.wait.Wait()
}
