package main

import (
	"cmp"
	"encoding/json"
	"maps"
	"math"
	"os"
	"slices"
)

// results is everything that a run has found.
type results struct {
	About     about
	Contests  []*outcome
	Latencies []*latencyOutcome
	Failures  []failure
	Profiles  []*profiled
}

// outcome is what the entries of a contest have done: by entry, and then by round, where a failure leaves a gap.
type outcome struct {
	Contest *contest
	Samples []map[int]sample
	Counts  []int
}

// latencyOutcome is what the clients of a latency contest have done, by client and round.
type latencyOutcome struct {
	Contest    *latencyContest
	Histograms []map[int]*histogram
	CPU        [][]float64 // µs a record
}

// all is a client's histogram over all rounds.
func (l *latencyOutcome) all(at int) *histogram {
	h := &histogram{}
	for _, round := range l.Histograms[at] {
		h.merge(round)
	}
	return h
}

// over is the median of the rounds' own ratios of a quantile to the first client's.
func (l *latencyOutcome) over(at int, q float64) float64 {
	var ratios []float64
	for round, own := range l.Histograms[at] {
		if base, ok := l.Histograms[0][round]; ok {
			ratios = append(ratios, float64(own.quantile(q))/float64(base.quantile(q)))
		}
	}
	return median(ratios)
}

// failure is the first error of something, and how often it failed.
type failure struct {
	What, Err string
	Times     int
}

func (r *results) failed(what string, err error) {
	for i := range r.Failures {
		if r.Failures[i].What == what {
			r.Failures[i].Times++
			return
		}
	}
	r.Failures = append(r.Failures, failure{what, err.Error(), 1})
}

// summary is an entry's medians. Ratios are to the first entry: the median of the rounds' own ratios, since the machine changes from round to round. NaN: not known.
type summary struct {
	Rate, Low, High       float64
	Own, Broker           float64 // µs a record
	OwnCores, BrokerCores float64
	RateRatio, CPURatio   float64
	Allocs, Bytes         float64 // a record
	Rounds                int
}

func (o *outcome) summary(at int) summary {
	all := slices.Collect(maps.Values(o.Samples[at]))
	s := summary{Rate: medianOf(all, sample.rate), Own: medianOf(all, sample.own), Broker: medianOf(all, sample.broker),
		OwnCores: medianOf(all, sample.ownCores), BrokerCores: medianOf(all, sample.brokerCores), Rounds: len(all),
		Allocs: medianOf(all, sample.allocs), Bytes: medianOf(all, sample.bytes),
		RateRatio: ratio(o.Samples[at], o.Samples[0], sample.rate), CPURatio: ratio(o.Samples[at], o.Samples[0], sample.own)}
	if len(all) > 0 {
		rates := apply(all, sample.rate)
		s.Low, s.High = slices.Min(rates), slices.Max(rates)
	}
	return s
}

// ratio is the median of the ratios of the rounds that both have.
func ratio(own, base map[int]sample, of func(sample) float64) float64 {
	var ratios []float64
	for round, s := range own {
		if b, ok := base[round]; ok {
			ratios = append(ratios, of(s)/of(b))
		}
	}
	return median(ratios)
}

func medianOf(samples []sample, of func(sample) float64) float64 { return median(apply(samples, of)) }

func apply(samples []sample, of func(sample) float64) []float64 {
	values := make([]float64, len(samples))
	for i := range samples {
		values[i] = of(samples[i])
	}
	return values
}

// median of an even number is between the two in the middle; of none it is NaN.
func median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	values = slices.Sorted(slices.Values(values))
	half := len(values) / 2
	if len(values)%2 == 1 {
		return values[half]
	}
	return (values[half-1] + values[half]) / 2
}

func sorted[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

// verdict says whether what was measured reaches the goal, as it is printed: with two digits. What is not known does not.
type verdict string

const (
	noGoal verdict = ""
	met    verdict = "met"
	unmet  verdict = "**not met**"
)

func (g goal) verdict(rate, cpu float64) verdict {
	switch {
	case g == goal{}:
		return noGoal
	case g.Rate > 0 && !(round2(rate) >= g.Rate), g.CPU > 0 && !(round2(cpu) <= g.CPU):
		return unmet
	}
	return met
}

func round2(x float64) float64 { return math.Round(x*100) / 100 }

func readJSON(path string, to any) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, to)
}

func writeJSON(path string, from any) error {
	text, err := json.MarshalIndent(from, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}
