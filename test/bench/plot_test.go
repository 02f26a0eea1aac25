package main

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

func wellFormed(t *testing.T, image string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(image))
	for {
		switch _, err := d.Token(); {
		case errors.Is(err, io.EOF):
			return
		case err != nil:
			t.Fatalf("%v in %s", err, image)
		}
	}
}

// filled has a sample for every entry, but for one that failed.
func filled() *results {
	r := &results{}
	for _, c := range contests() {
		o := &outcome{Contest: c, Samples: make([]map[int]sample, len(c.Entries)), Counts: make([]int, len(c.Entries))}
		for at := range c.Entries {
			o.Samples[at] = map[int]sample{0: {Records: 1000 * (at + 1), Took: time.Second, Own: time.Duration(at+1) * time.Millisecond}}
		}
		r.Contests = append(r.Contests, o)
	}
	r.Contests[0].Samples[5] = nil
	return r
}

func TestPlotIsWellFormed(t *testing.T) {
	r := filled()
	image := r.plot()
	wellFormed(t, image)
	for _, part := range []string{"Quorum queues, 4 KiB", "write, Send one by one", "both at once", "class=\"missed\"", "class=\"goal\""} {
		if !strings.Contains(image, part) {
			t.Errorf("the plot lacks %s", part)
		}
	}
	if strings.Contains(image, "NaN") || strings.Contains(image, "Inf") {
		t.Error("the plot has figures that are none")
	}
	wellFormed(t, (&results{}).plot())
	d := &drawing{width: 10, height: 10}
	d.text(0, 0, "text", `<&">`)
	wellFormed(t, d.image(`a "title" & more`))
}

func TestGrowthPlotIsWellFormed(t *testing.T) {
	for _, s := range allSeries() {
		points := map[int][]growth{}
		for i, x := range s.Points {
			points[x] = []growth{{sample: sample{Records: 1000, Took: time.Second, Own: time.Duration(i) * time.Millisecond, Broker: time.Second}, Endpoints: 2, Heap: 7}}
		}
		wellFormed(t, s.plot(points))
		wellFormed(t, s.plot(nil))
		if rows := strings.Count(s.table(points), "\n"); rows != len(s.Points)+2 {
			t.Errorf("%s: %d lines", s.Name, rows)
		}
	}
}

func TestTablesHaveEveryEntry(t *testing.T) {
	r := filled()
	text, lines := r.tables(), 0
	for _, o := range r.Contests {
		lines += len(o.Contest.Entries)
	}
	if got := strings.Count(text, "\n| "+clientWeir+" |") + strings.Count(text, "\n| "+clientRaw+" |") + strings.Count(text, "\n| "+clientStream+" |") + strings.Count(text, "\n| "+clientWatermill+" |"); got != lines {
		t.Errorf("%d lines, want %d", got, lines)
	}
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "|") && strings.Count(line, "|") != 13 {
			t.Errorf("a line has not twelve columns: %s", line)
		}
	}
	if goals := r.goalsTable(); !strings.Contains(goals, "goals are met") || strings.Contains(goals, "NaN") {
		t.Errorf("goals: %s", goals)
	}
}
