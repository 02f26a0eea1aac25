package main

import (
	"fmt"
	"html"
	"math"
	"slices"
	"strings"
)

// chart draws an experiment: throughput over time, the faults as bands over it, and below a lane for each fault with its detection and recovery.
type chart struct {
	strings.Builder
	width, height float64 // of the plot with its margins
	left, right   float64
	top, bottom   float64
	until         float64 // seconds
	most          float64 // records a second at the top
	peak          float64 // the highest rate, which may be cut off at the top
}

// laneHeight is one fault's lane.
const laneHeight = 20

// picture gives the drawing, for a place of that width.
func (r *experimentReport) picture(width, height float64) string {
	c := &chart{width: width, height: height, left: 52, right: 12, top: 22, bottom: 24}
	rates := merged(r.Throughput, int(width))
	c.scale(rates)
	total := height + laneHeight*float64(len(r.Faults)) + 6
	fmt.Fprintf(c, `<svg viewBox="0 0 %.0f %.0f" role="img" aria-label="Throughput over time, with %d faults">`+"\n", width, total, len(r.Faults))
	for i := range r.Faults {
		c.band(&r.Faults[i])
	}
	c.axes()
	c.curve("delivered", rates, func(s *flowSample) int { return s.Delivered })
	c.curve("sent", rates, func(s *flowSample) int { return s.Attempted })
	c.curve("confirmed", rates, func(s *flowSample) int { return s.Confirmed })
	c.labels(r.Faults)
	for i := range r.Faults {
		c.lane(&r.Faults[i], height+laneHeight*(float64(i)+0.5))
	}
	c.WriteString("</svg>")
	return c.String()
}

// scale says what the axes show. What flows in a moment after a fault would press the rest flat, so far higher peaks are cut off, and said.
func (c *chart) scale(all []flowSample) {
	var usual []float64
	for _, s := range all {
		c.until = max(c.until, s.At/1e3)
		for _, n := range []int{s.Attempted, s.Confirmed, s.Delivered} {
			if rate := perSecond(n, s.Span); rate > 0 {
				usual, c.peak = append(usual, rate), max(c.peak, rate)
			}
		}
	}
	c.until, c.most = max(c.until, 0.1), max(c.peak, 1)
	if slices.Sort(usual); len(usual) > 0 {
		c.most = min(c.most, 3*usual[len(usual)*8/10])
	}
}

// cutOff says what the picture leaves out.
func (r *experimentReport) cutOff(width int) string {
	c := &chart{}
	if c.scale(merged(r.Throughput, width)); c.peak > c.most {
		return "peaks of up to " + number(int(c.peak)) + " are cut off"
	}
	return ""
}

// merged joins samples until there are no more than so many.
func merged(all []flowSample, most int) []flowSample {
	step := (len(all) + most - 1) / max(most, 1)
	if step <= 1 {
		return all
	}
	var out []flowSample
	for i := 0; i < len(all); i += step {
		sum := flowSample{}
		for _, s := range all[i:min(i+step, len(all))] {
			sum.At, sum.Span = s.At, sum.Span+s.Span
			sum.Attempted, sum.Confirmed, sum.Delivered = sum.Attempted+s.Attempted, sum.Confirmed+s.Confirmed, sum.Delivered+s.Delivered
		}
		out = append(out, sum)
	}
	return out
}

func perSecond(n int, spanMS float64) float64 {
	if spanMS < float64(sampleEvery.Milliseconds())/2 { // the last one may be too short to say anything
		return 0
	}
	return float64(n) / spanMS * 1e3
}

func (c *chart) x(seconds float64) float64 {
	return c.left + (c.width-c.left-c.right)*min(max(seconds, 0), c.until)/c.until
}

func (c *chart) y(rate float64) float64 {
	return c.height - c.bottom - (c.height-c.top-c.bottom)*min(rate/c.most, 1)
}

func (c *chart) path(class, d string) { fmt.Fprintf(c, `<path class="%s" d="%s"/>`+"\n", class, d) }

func (c *chart) text(x, y float64, class, s string) {
	fmt.Fprintf(c, `<text x="%.1f" y="%.1f" class="%s">%s</text>`+"\n", x, y, class, html.EscapeString(s))
}

func (c *chart) axes() {
	for v := 0.0; v <= c.most; v += step(c.most, 4) {
		c.path("grid", fmt.Sprintf("M%.1f %.1fH%.1f", c.left, c.y(v), c.width-c.right))
		c.text(c.left-6, c.y(v)+4, "right", thousands(v))
	}
	floor := c.height - c.bottom
	c.path("axis", fmt.Sprintf("M%.1f %.1fH%.1f", c.left, floor, c.width-c.right))
	for v := 0.0; v <= c.until; v += step(c.until, c.width/90) {
		c.path("axis", fmt.Sprintf("M%.1f %.1fv4", c.x(v), floor))
		c.text(c.x(v), floor+17, "middle", fmt.Sprintf("%g s", math.Round(v*100)/100))
	}
}

// step is a round distance of about so many marks.
func step(most, marks float64) float64 {
	raw := most / max(marks, 1)
	ten := math.Pow(10, math.Floor(math.Log10(raw)))
	for _, n := range []float64{1, 2, 5} {
		if raw <= n*ten {
			return n * ten
		}
	}
	return 10 * ten
}

func thousands(v float64) string {
	if v >= 10_000 {
		return fmt.Sprintf("%gk", math.Round(v/100)/10)
	}
	return number(int(v))
}

func (c *chart) curve(class string, all []flowSample, of func(*flowSample) int) {
	if len(all) == 0 {
		return
	}
	var d strings.Builder
	fmt.Fprintf(&d, "M%.1f %.1f", c.x(0), c.y(0))
	for i := range all {
		s := &all[i]
		fmt.Fprintf(&d, "L%.1f %.1f", c.x((s.At-s.Span/2)/1e3), c.y(perSecond(of(s), s.Span)))
	}
	fmt.Fprintf(&d, "L%.1f %.1f", c.x(all[len(all)-1].At/1e3), c.y(0))
	c.path(class, d.String())
}

// span is where the fault is, in seconds.
func (f *faultReport) span() (from, to float64, is bool) {
	if f.Began == 0 {
		return 0, 0, false
	}
	from, to = f.Began/1e3, max(f.Ended, f.Hit, f.Began)/1e3
	return from, to, true
}

func (c *chart) band(f *faultReport) {
	from, to, is := f.span()
	if !is {
		return
	}
	floor := c.height - c.bottom
	if f.Lasts {
		fmt.Fprintf(c, `<rect class="bandfill" x="%.1f" y="%.1f" width="%.1f" height="%.1f"><title>%s</title></rect>`+"\n", c.x(from), c.top, max(c.x(to)-c.x(from), 2), floor-c.top, html.EscapeString(f.Name+" "+f.Argument))
	}
	c.path("bandline", fmt.Sprintf("M%.1f %.1fV%.1f", c.x(from), c.top, floor))
	if f.Recovered != nil {
		c.path("back", fmt.Sprintf("M%.1f %.1fV%.1f", c.x((f.Hit+*f.Recovered)/1e3), c.top, floor))
	}
}

// labels numbers the bands; where two are near to each other, the later one goes to the right.
func (c *chart) labels(all []faultReport) {
	edge := 0.0
	for i := range all {
		from, _, is := all[i].span()
		if !is {
			continue
		}
		x := max(c.x(from), edge)
		c.text(x, c.top-7, "strong middle", fmt.Sprint(all[i].Number))
		edge = x + 14
	}
}

func (c *chart) bar(class string, from, to, y float64) {
	fmt.Fprintf(c, `<rect class="%s" x="%.1f" y="%.1f" width="%.1f" height="4" rx="1.5"/>`+"\n", class, from, y, to-from)
}

// lane is a fault's own: while it lasts, until a record got through, and when it was noticed.
func (c *chart) lane(f *faultReport, y float64) {
	from, to, is := f.span()
	name := fmt.Sprintf("%d %s", f.Number, f.Name)
	if !is {
		c.text(c.left, y+4, "", name+": did not strike")
		return
	}
	end := c.x(to)
	c.bar("bandbar", c.x(from), max(end, c.x(from)+4), y-4)
	if f.Recovered != nil {
		back := c.x((f.Hit + *f.Recovered) / 1e3)
		c.bar("outage", c.x(f.Hit/1e3), max(back, c.x(f.Hit/1e3)+1), y+1)
		c.path("backmark", fmt.Sprintf("M%.1f %.1fl4.5 8h-9z", back, y-3))
		end = max(end, back)
	}
	if f.Detected != nil {
		fmt.Fprintf(c, `<circle class="seen" cx="%.1f" cy="%.1f" r="2.6"/>`+"\n", c.x((f.Hit+*f.Detected)/1e3), y)
	}
	if room := 7.0 * float64(len(name)); end+10+room < c.width {
		c.text(end+10, y+4, "", name)
	} else {
		c.text(c.x(from)-8, y+4, "right", name)
	}
}
