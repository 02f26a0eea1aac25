package sim

import (
	"fmt"
	"strings"
)

// Cells count how often each kind of fault has struck each actor in each of its phases.
type Cells [faultKinds][parts][phases]int

func (c *Cells) add(d *Cells) {
	for k := range c {
		for p := range c[k] {
			for i := range c[k][p] {
				c[k][p][i] += d[k][p][i]
			}
		}
	}
}

// cell is one of them.
type cell struct {
	kind  FaultKind
	part  part
	phase phase
}

// String gives the cell's name.
func (c cell) String() string {
	return fmt.Sprintf("%s × %s, %s", c.kind, c.part, phaseNames[c.part][c.phase])
}

// possible are all cells that can occur.
var possible = func() (all []cell) {
	for k := range faultKinds {
		for p := range parts {
			for i := range phases {
				if catalogue[k].reach[p].has(i) {
					all = append(all, cell{k, p, i})
				}
			}
		}
	}
	return all
}()

// aimedAt are the cells to draw aims from: those more than once that are hit less often, for their phase is short, or comes in few schedules.
var aimedAt = func() (all []cell) {
	for _, c := range possible {
		times := 1
		if c.kind <= panicStopping { // drawing alone hits whoever hears most
			times = 2
		}
		if c.phase == closing || c.part == memberConsumer || c.part == topology && c.phase == busy || c.part == supervising || c.kind == panicStopping {
			times *= 3
		}
		if c.part == memberConsumer && c.phase != idle || c.part == topology && c.phase == busy {
			times *= 2
		}
		if (c.part == healthTicker || c.part == metricsAggregator) && c.phase == down || c.phase == opening && c.kind >= publisherCut && c.kind <= consumerForgotten {
			times *= 2
		}
		if c.kind <= panicStopping && (c.part == dataConsumer && c.phase == closing || c.kind == panicStopping && c.phase == opening) {
			times *= 3
		}
		switch c {
		case cell{withdrawn, dataProducer, closing}:
			times = 10
		case cell{consumerForgotten, dataConsumer, opening}, cell{consumerForgotten, statusConsumer, opening}, cell{consumerForgotten, memberConsumer, opening}: // between the broker's answer and its arrival
			times = 12
		case cell{deliveryLost, dataConsumer, closing}: // one must be on its way
			times = 200
		case cell{clockWrong, memberConsumer, closing}, cell{streamDeleted, dataConsumer, closing}:
			times = 20
		}
		for range times {
			all = append(all, c)
		}
	}
	return all
}()

// Thin gives the possible cells that were hit less than so many times.
func (c *Cells) Thin(least int) (thin []string) {
	for _, x := range possible {
		if n := c[x.kind][x.part][x.phase]; n < least {
			thin = append(thin, fmt.Sprintf("%s: %d", x, n))
		}
	}
	return thin
}

// Impossible gives the cells that were hit though the catalogue says that they cannot be.
func (c *Cells) Impossible() (hit []string) {
	for k := range faultKinds {
		for p := range parts {
			for i := range phases {
				if n := c[k][p][i]; n > 0 && !catalogue[k].reach[p].has(i) {
					hit = append(hit, fmt.Sprintf("%s: %d", cell{k, p, i}, n))
				}
			}
		}
	}
	return hit
}

// least gives the smallest count of a possible cell, and which it is.
func (c *Cells) least() (n int, of cell) {
	n = -1
	for _, x := range possible {
		if m := c[x.kind][x.part][x.phase]; n < 0 || m < n {
			n, of = m, x
		}
	}
	return n, of
}

// Markdown gives the table: a row for each kind of fault, a column for each actor, in it a figure for each phase. A dash stands for what cannot occur.
func (c *Cells) Markdown() string {
	var s strings.Builder
	s.WriteString("| fault |")
	for p := range parts {
		fmt.Fprintf(&s, " %s |", p)
	}
	s.WriteString("\n|---|" + strings.Repeat("---|", int(parts)) + "\n|  |")
	for p := range parts {
		fmt.Fprintf(&s, " %s |", strings.Join(c.columns(p, func(i phase) string { return "*" + phaseNames[p][i] + "*" }), " · "))
	}
	s.WriteString("\n")
	for k := range faultKinds {
		fmt.Fprintf(&s, "| %s |", k)
		for p := range parts {
			if catalogue[k].reach[p] == none {
				s.WriteString(" – |")
				continue
			}
			fmt.Fprintf(&s, " %s |", strings.Join(c.columns(p, func(i phase) string { return c.figure(cell{k, p, i}) }), " · "))
		}
		s.WriteString("\n")
	}
	return s.String()
}

func (c *Cells) columns(p part, text func(phase) string) (columns []string) {
	for i := range phases {
		if phaseNames[p][i] != "" {
			columns = append(columns, text(i))
		}
	}
	return columns
}

func (c *Cells) figure(x cell) string {
	switch n := c[x.kind][x.part][x.phase]; {
	case n == 0 && !catalogue[x.kind].reach[x.part].has(x.phase):
		return "–"
	case n < 10_000:
		return fmt.Sprint(n)
	default:
		return fmt.Sprintf("%dk", n/1000)
	}
}
