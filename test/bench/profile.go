package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"

	"github.com/google/pprof/profile"
)

// profiled is where the client's CPU goes in work whose goal was not met, and how busy client and broker were.
type profiled struct {
	What                  string
	OwnCores, BrokerCores float64
	Packages, Functions   []share
}

// share is a part of all CPU samples.
type share struct {
	Name string
	Part float64
}

// profileUnmet does again, with the profiler on and for longer, all work whose goal was not met.
func (b *bench) profileUnmet(ctx context.Context) error {
	for _, o := range b.results.Contests {
		for at, e := range o.Contest.Entries {
			s := o.summary(at)
			if s.Rounds == 0 || e.Goal.verdict(s.RateRatio, s.CPURatio) != unmet {
				continue
			}
			what := o.Contest.Name() + ", " + e.what()
			b.say("profile: %s", what)
			p, err := b.profile(ctx, o.Contest.Scene, e, rounded(s.Rate*4*b.each.Seconds()))
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil {
				b.fail("profile: "+what, err)
				continue
			}
			p.What = what
			b.results.Profiles = append(b.results.Profiles, p)
		}
	}
	return nil
}

func (b *bench) profile(ctx context.Context, s scene, e entry, n int) (*profiled, error) {
	var raw bytes.Buffer
	m, err := b.measureAt(ctx, b.place(s, e.Work), e, n, func(do func() error) error {
		if err := pprof.StartCPUProfile(&raw); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
		return do()
	})
	if err != nil {
		return nil, err
	}
	if b.profiles != "" {
		name := strings.NewReplacer(" ", "-", ",", "", "/", "-").Replace(s.String()+" "+e.what()) + ".pprof"
		if err := os.WriteFile(filepath.Join(b.profiles, name), raw.Bytes(), 0o644); err != nil {
			return nil, err
		}
	}
	p, err := profile.ParseData(raw.Bytes())
	if err != nil {
		return nil, err
	}
	packages, functions := leaves(p)
	return &profiled{OwnCores: m.ownCores(), BrokerCores: m.brokerCores(), Packages: top(packages, 6), Functions: top(functions, 8)}, nil
}

// leaves counts samples by the function that was running, and by its package.
func leaves(p *profile.Profile) (packages, functions map[string]int64) {
	packages, functions = map[string]int64{}, map[string]int64{}
	for _, s := range p.Sample {
		if len(s.Location) == 0 || len(s.Location[0].Line) == 0 || s.Location[0].Line[0].Function == nil {
			continue
		}
		name := s.Location[0].Line[0].Function.Name
		functions[name] += s.Value[0]
		packages[packageOf(name)] += s.Value[0]
	}
	return packages, functions
}

// packageOf cuts a function's name at the first point behind the last slash.
func packageOf(function string) string {
	slash := strings.LastIndexByte(function, '/') + 1
	name, _, _ := strings.Cut(function[slash:], ".")
	return function[:slash] + name
}

func top(counts map[string]int64, n int) []share {
	total := int64(0)
	for _, c := range counts {
		total += c
	}
	names := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
	shares := make([]share, 0, n)
	for _, name := range names[:min(n, len(names))] {
		shares = append(shares, share{name, float64(counts[name]) / float64(total)})
	}
	return shares
}

func (r *results) profileText() string {
	if len(r.Profiles) == 0 {
		return "No goal was missed that a profile could explain."
	}
	var b strings.Builder
	for _, p := range r.Profiles {
		fmt.Fprintf(&b, "**%s**: client %.2f cores, broker %.2f of %d cores.\n\n- packages: %s\n- functions: %s\n\n",
			p.What, p.OwnCores, p.BrokerCores, runtime.NumCPU(), shares(p.Packages), shares(p.Functions))
	}
	return b.String()
}

func shares(all []share) string {
	parts := make([]string, len(all))
	for i, s := range all {
		parts[i] = fmt.Sprintf("`%s` %.0f %%", strings.TrimPrefix(s.Name, "github.com/"), 100*s.Part)
	}
	return strings.Join(parts, ", ")
}
