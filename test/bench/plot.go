package main

import (
	"fmt"
	"math"
)

// The plot's columns: what was done, the ratio of rates, the ratio of client CPU. A ratio beyond the scale ends at its edge, and its figure says how far it goes.
const (
	plotWidth   = 900.0
	labelWidth  = 270.0
	rateLeft    = labelWidth + 10
	columnWidth = 240.0
	cpuLeft     = rateLeft + columnWidth + 70
	scaleEnd    = 2.0
	rowHeight   = 26.0
)

// plot shows weir and, below it and thinner, watermill, as ratios to the raw clients.
func (r *results) plot() string {
	d := &drawing{width: plotWidth}
	y := 30.0
	d.text(16, y, "text title", "weir beside the raw clients (1.0)")
	y += 22
	d.rect(16, y-9, 12, 9, "own")
	d.text(33, y, "text small", "weir")
	d.rect(70, y-7, 12, 5, "peer")
	d.text(87, y, "text small", "watermill-amqp")
	d.line(190, y-10, 190, y+1, "goal")
	d.text(196, y, "text small", "goal, met")
	d.line(262, y-10, 262, y+1, "missed")
	d.text(268, y, "text small", "goal, not met")
	y += 20
	d.text(rateLeft, y, "soft small", "records a second: more is better")
	d.text(cpuLeft, y, "soft small", "client CPU a record: less is better")
	y -= 4
	for _, group := range r.plotGroups() {
		y = d.group(group, y)
	}
	d.height = y + 16
	return d.image("Ratios of throughput and client CPU to the raw clients")
}

// plotRow is one work of weir's; peer is watermill's summary of the same, if it has one.
type plotRow struct {
	label string
	own   summary
	goal  goal
	peer  *summary
}

type plotGroup struct {
	title string
	rows  []plotRow
}

// plotGroups has a group for each scene, without Avro.
func (r *results) plotGroups() []plotGroup {
	var groups []plotGroup
	for _, o := range r.Contests {
		s := o.Contest.Scene
		if s.Format == formatAvro {
			continue
		}
		name := title(s.Kind) + ", " + s.sort()
		if n := len(groups); n == 0 || groups[n-1].title != name {
			groups = append(groups, plotGroup{title: name})
		}
		g := &groups[len(groups)-1]
		g.rows = append(g.rows, o.plotRows()...)
	}
	return groups
}

func (o *outcome) plotRows() []plotRow {
	var rows []plotRow
	for at, e := range o.Contest.Entries {
		if s := o.summary(at); e.Client == clientWeir && s.Rounds > 0 {
			rows = append(rows, plotRow{label: plotLabel(&e), own: s, goal: e.Goal, peer: o.peerOf(&e)})
		}
	}
	return rows
}

func plotLabel(e *entry) string {
	switch {
	case e.Work.Op == opWrite:
		return "write, " + e.what()
	case e.Work.Sub > 0:
		return "read, sub-entries of " + thousands(e.Work.Sub)
	}
	return e.Work.Op
}

// peerOf finds what watermill did in the same way, or in its only one.
func (o *outcome) peerOf(own *entry) *summary {
	for at, e := range o.Contest.Entries {
		if e.Client == clientWatermill && (e.Work.Callers == own.Work.Callers || e.Work.Op != opWrite) {
			if s := o.summary(at); s.Rounds > 0 {
				return &s
			}
		}
	}
	return nil
}

func (d *drawing) group(g plotGroup, y float64) float64 {
	y += 22
	d.text(16, y, "text title", g.title)
	y += 6
	bottom := y + rowHeight*float64(len(g.rows))
	for _, left := range []float64{rateLeft, cpuLeft} {
		for _, x := range []float64{0, 0.5, 1, 1.5, 2} {
			class := "grid"
			if x == 1 {
				class = "line"
			}
			d.line(left+scaled(x), y, left+scaled(x), bottom, class)
		}
	}
	for _, row := range g.rows {
		d.text(labelWidth, y+15, "text right", row.label)
		d.bars(rateLeft, y, row.own.RateRatio, peerRatio(row.peer, func(s *summary) float64 { return s.RateRatio }))
		d.bars(cpuLeft, y, row.own.CPURatio, peerRatio(row.peer, func(s *summary) float64 { return s.CPURatio }))
		d.mark(rateLeft, y, row.goal.Rate, round2(row.own.RateRatio) >= row.goal.Rate)
		d.mark(cpuLeft, y, row.goal.CPU, round2(row.own.CPURatio) <= row.goal.CPU)
		y += rowHeight
	}
	for _, left := range []float64{rateLeft, cpuLeft} {
		for _, x := range []float64{0, 1, 2} {
			d.text(left+scaled(x), y+12, "soft small middle", fmt.Sprint(x))
		}
	}
	return y + 14
}

func peerRatio(peer *summary, of func(*summary) float64) float64 {
	if peer == nil {
		return math.NaN()
	}
	return of(peer)
}

func scaled(ratio float64) float64 { return min(ratio, scaleEnd) / scaleEnd * columnWidth }

// bars draws one's own ratio and the peer's below it. Their figures stand behind the scale, where no mark crosses them.
func (d *drawing) bars(left, y, own, peer float64) {
	if !math.IsNaN(own) {
		d.rect(left, y+3, scaled(own), 11, "own")
		d.text(left+columnWidth+8, y+12, "text small", figure(own))
	}
	if !math.IsNaN(peer) {
		d.rect(left, y+16, scaled(peer), 4, "peer")
		d.text(left+columnWidth+8, y+23, "soft small", figure(peer))
	}
}

func figure(ratio float64) string {
	if ratio >= 10 {
		return fmt.Sprintf("%.0f ×", ratio)
	}
	return fmt.Sprintf("%.2f ×", ratio)
}

func (d *drawing) mark(left, y, at float64, reached bool) {
	if at == 0 {
		return
	}
	class := "missed"
	if reached {
		class = "goal"
	}
	d.line(left+scaled(at), y+1, left+scaled(at), y+16, class)
}
