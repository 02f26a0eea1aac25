// Chaos runs weir on private RabbitMQ nodes under randomised schedules of faults, and prints a table of what they did and what was wrong. A schedule is its seed: one that violated a promise is named with the
// command that runs it again.
//
//	chaos [-schedules N] [-clusters N] [-seed N] [-version V] [-plane queue|stream] [-fault TEXT] [-report FILE] [-logs DIR [-keep]] [-plan] [-parallel=false]
package main

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/d2e2d648/weir/test/chaos"
	"github.com/d2e2d648/weir/test/page"
	"github.com/d2e2d648/weir/test/rabbit"
)

type flags struct {
	schedules      int
	clusters       int
	seed           uint64
	version, plane string
	fault          string
	report, logs   string
	plan, parallel bool
	keep           bool
	three          sync.Mutex // one cluster at a time
}

func main() { os.Exit(run()) }

func run() int {
	var f flags
	flag.IntVar(&f.schedules, "schedules", 20, "how many schedules, on each version")
	flag.IntVar(&f.clusters, "clusters", 0, "how many more on a cluster of three nodes, on each version")
	flag.Uint64Var(&f.seed, "seed", 0, "the first seed; the others follow it; 0: a random one")
	flag.StringVar(&f.version, "version", "", "run on this version of RabbitMQ alone")
	flag.StringVar(&f.plane, "plane", "", "queue or stream: pass over the seeds of the other")
	flag.StringVar(&f.fault, "fault", "", "pass over the seeds whose one fault has not this in its name; with several faults, all")
	flag.StringVar(&f.report, "report", "", "write the table into this file, between its markers")
	flag.StringVar(&f.logs, "logs", "", "keep the channels' and the node's logs of schedules that violate a promise in this folder")
	flag.BoolVar(&f.keep, "keep", false, "with -logs: keep those of all schedules")
	flag.BoolVar(&f.plan, "plan", false, "only print the plans")
	flag.BoolVar(&f.parallel, "parallel", true, "run the versions side by side")
	flag.Parse()
	if f.seed == 0 {
		f.seed = 1 + rand.Uint64N(1_000_000)
	}
	if f.plan {
		for _, p := range append(f.plans(f.schedules, chaos.Draw), f.plans(f.clusters, chaos.DrawCluster)...) {
			fmt.Println(p)
		}
		return 0
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return f.run(ctx)
}

func (f *flags) run(ctx context.Context) int {
	began := time.Now()
	versions := rabbit.Versions()
	if f.version != "" {
		versions = []string{f.version}
	}
	var mu sync.Mutex
	var report chaos.Report
	failed := 0
	add := func(r *chaos.Result) {
		mu.Lock()
		defer mu.Unlock()
		report.Add(r)
	}
	lane := func(version string) {
		if err := f.lane(ctx, version, add); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", version, err)
			mu.Lock()
			defer mu.Unlock()
			failed++
		}
	}
	var lanes sync.WaitGroup
	for _, version := range versions {
		lanes.Go(func() { lane(version) })
		if !f.parallel {
			lanes.Wait()
		}
	}
	lanes.Wait()
	text := report.Markdown() + fmt.Sprintf("\n`make chaos SCHEDULES=%d CLUSTERS=%d SEED=%d`, RabbitMQ %s, %d cores, %s, %.0f s.\n", f.schedules, f.clusters, f.seed, strings.Join(versions, " and "), runtime.NumCPU(), runtime.Version(), time.Since(began).Seconds())
	fmt.Print(text)
	if f.report != "" {
		if err := page.Write(f.report, "chaos", text); err != nil {
			fmt.Fprintln(os.Stderr, err)
			failed++
		}
	}
	if report.Violated+failed > 0 {
		return 1
	}
	return 0
}

// plans are those of the seeds that are asked for.
func (f *flags) plans(n int, draw func(uint64) *chaos.Plan) (plans []*chaos.Plan) {
	for seed := f.seed; len(plans) < n; seed++ {
		if p := draw(seed); f.wants(p) {
			plans = append(plans, p)
		}
	}
	return plans
}

func (f *flags) wants(p *chaos.Plan) bool {
	if f.fault != "" && (len(p.Faults) > 1 || !strings.Contains(string(p.Faults[0].Kind), f.fault)) {
		return false
	}
	return f.plane == "" || p.Stream == (f.plane == "stream")
}

// lane runs all schedules on one version.
func (f *flags) lane(ctx context.Context, version string, add func(*chaos.Result)) error {
	err := f.on(ctx, version, chaos.StartNode, f.plans(f.schedules, chaos.Draw), add)
	if err == nil {
		f.three.Lock()
		defer f.three.Unlock()
		err = f.on(ctx, version, chaos.StartCluster, f.plans(f.clusters, chaos.DrawCluster), add)
	}
	return err
}

func (f *flags) on(ctx context.Context, version string, start func(context.Context, string) (*chaos.Node, error), plans []*chaos.Plan, add func(*chaos.Result)) error {
	var node *chaos.Node
	defer func() {
		if node != nil {
			_ = node.Close()
		}
	}()
	for _, p := range plans {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if node == nil {
			var err error
			if node, err = start(ctx, version); err != nil {
				return err
			}
		}
		one, err := f.one(ctx, node, p)
		if err != nil {
			return err
		}
		add(one)
		if len(one.Bad) > 0 { // what is wrong with the node must not be the next schedule's
			_ = node.Close()
			node = nil
		}
	}
	return nil
}

// one runs a schedule and says how it went.
func (f *flags) one(ctx context.Context, node *chaos.Node, p *chaos.Plan) (*chaos.Result, error) {
	log, err := os.CreateTemp("", "weir-chaos-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.Remove(log.Name()) }()
	defer func() { _ = log.Close() }()
	fmt.Fprintf(os.Stderr, "%s %s\n", node.Version(), p)
	r := chaos.Run(ctx, node, p, chaos.Options{Log: log, Say: func(format string, args ...any) {
		fmt.Fprintf(os.Stderr, "%s seed %d: %s\n", node.Version(), p.Seed, fmt.Sprintf(format, args...))
	}})
	if ctx.Err() != nil { // what it was cut off in is nobody's fault
		return nil, ctx.Err()
	}
	fmt.Fprint(os.Stderr, summary(r))
	if (len(r.Bad) > 0 || f.keep) && f.logs != "" {
		name := filepath.Join(f.logs, fmt.Sprintf("%d-%s", p.Seed, node.Version()))
		if err := keep(name, log.Name(), node.Log(), summary(r)); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func summary(r *chaos.Result) string {
	var b strings.Builder
	x := r.Fates
	fmt.Fprintf(&b, "%s seed %d, %.0f s: attempted %d, confirmed %d, unknown %d, excused %d, lost %d, duplicated %d of %d, reordered %d (ordered %v)\n", r.Version, r.Plan.Seed, r.Took.Seconds(), x.Attempted, x.Confirmed, x.Unknown,
		x.Excused, x.Lost, x.Duplicated, r.Promise.Duplicates, x.Reordered, r.Promise.Ordered)
	for i, s := range r.Struck {
		alone := ""
		if r.Recoveries[i].Alone {
			alone = " (alone)"
		}
		fmt.Fprintf(&b, "  %s at %v, to %v: recovered in %v%s\n", s.Kind, s.Began.Round(time.Millisecond), s.Ended.Round(time.Millisecond), r.Recoveries[i].Took.Round(time.Millisecond), alone)
	}
	for _, bad := range r.Bad {
		fmt.Fprintf(&b, "VIOLATED %s\n", bad)
	}
	if r.Broker {
		b.WriteString("  the broker itself did not get the queue or the stream up again\n")
	}
	if len(r.Bad) > 0 {
		where := "-schedules 1"
		if r.Plan.Cluster {
			where = "-schedules 0 -clusters 1"
		}
		fmt.Fprintf(&b, "  again: go run ./test/chaos/cmd/chaos %s -seed %d -version %s\n", where, r.Plan.Seed, r.Version)
	}
	return b.String()
}

// keep copies the logs.
func keep(name, channel, node, text string) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	for from, to := range map[string]string{channel: name + ".log", node: name + ".node.log"} {
		data, err := os.ReadFile(from)
		if err != nil {
			return err
		}
		if err := os.WriteFile(to, data, 0o644); err != nil {
			return err
		}
	}
	return os.WriteFile(name+".txt", []byte(text), 0o644)
}
