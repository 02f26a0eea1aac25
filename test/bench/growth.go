package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/d2e2d648/weir"
)

// series is how a cost grows with one thing. A point is measured in every round.
type series struct {
	Name    string // of its section in the report
	Title   string
	Unit    string // what grows
	Points  []int
	Idle    bool // nothing is written: costs are for each endpoint, and for each of its seconds
	measure func(b *bench, ctx context.Context, x int) (growth, error)
}

// growth is one measurement of a point.
type growth struct {
	sample
	Endpoints int     // of idle series
	Heap      float64 // KiB for each endpoint, of idle series
}

func (g growth) heap() float64 { return g.Heap }

// perEndpoint is CPU in µs for each second of each endpoint.
func perEndpoint(cpu time.Duration, g *growth) float64 {
	return micros(cpu) / g.Took.Seconds() / float64(g.Endpoints)
}

func allSeries() []series {
	return []series{
		{Name: "size", Title: "The size of a record", Unit: "bytes", Points: []int{16, 100, 512, 1024, 4096, 16_384, 65_536, 262_144}, measure: (*bench).growSize},
		{Name: "writers", Title: "Writers on one channel", Unit: "writers", Points: []int{1, 2, 4, 8, 16, 32}, measure: (*bench).growWriters},
		{Name: "readers", Title: "Readers on one channel", Unit: "readers", Points: []int{1, 2, 4, 8, 16, 32}, measure: (*bench).growReaders},
		{Name: "prefetch", Title: "The prefetch", Unit: "records", Points: []int{1, 10, 50, 100, 200, 1000, 5000, 10_000}, measure: (*bench).growPrefetch},
		{Name: "channels", Title: "Channels at work", Unit: "channels", Points: []int{1, 2, 4, 16, 64, 128}, measure: (*bench).growChannels},
		{Name: "idle", Title: "Idle channels", Unit: "channels", Points: []int{1, 8, 64, 256}, Idle: true, measure: (*bench).growIdle},
		{Name: "peers", Title: "Idle endpoints of one channel", Unit: "endpoints", Points: []int{2, 8, 32, 128}, Idle: true, measure: (*bench).growPeers},
	}
}

func runGrowth(ctx context.Context, o options) error {
	node, err := startNode(ctx, o)
	if err != nil {
		return err
	}
	b := newBench(o, node)
	sections, err := b.grow(ctx)
	if err = errors.Join(err, node.Close()); err != nil {
		return err
	}
	b.results.About.Took = time.Since(b.began).Round(time.Second)
	return writeSections(o.report, append(sections, section{"about", b.results.About.markdown()}, section{"failures", b.results.failureText()}))
}

// grow measures all series and gives their tables, and writes their plots beside the report.
func (b *bench) grow(ctx context.Context) ([]section, error) {
	var sections []section
	for _, s := range allSeries() {
		if !b.only.MatchString(s.Name) {
			continue
		}
		points := map[int][]growth{}
		for round := range b.rounds {
			for i := range s.Points {
				x := s.Points[(i+round)%len(s.Points)]
				b.say("round %d of %d: %s, %s %s", round+1, b.rounds, s.Title, thousands(x), s.Unit)
				g, err := b.point(ctx, &s, x)
				if ctx.Err() != nil {
					return nil, ctx.Err()
				}
				if err != nil {
					b.fail(fmt.Sprintf("%s, %s %s", s.Title, thousands(x), s.Unit), err)
					continue
				}
				points[x] = append(points[x], g)
			}
		}
		text := s.table(points)
		if b.report != "" {
			image := strings.TrimSuffix(b.report, filepath.Ext(b.report)) + "-" + s.Name + ".svg"
			if err := os.WriteFile(image, []byte(s.plot(points)), 0o644); err != nil {
				return nil, err
			}
			text = fmt.Sprintf("![%s](%s)\n\n%s", s.Title, filepath.Base(image), text)
		}
		sections = append(sections, section{s.Name, text})
	}
	return sections, nil
}

func (b *bench) point(ctx context.Context, s *series, x int) (growth, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*sampleLimit)
	defer cancel()
	if !b.quick {
		settle(b.pid)
	}
	return s.measure(b, ctx, x)
}

// at measures one work in a scene, with as many records as last long enough.
func (b *bench) at(ctx context.Context, at scene, w work, trial, ahead int) (growth, error) {
	e := entry{Client: clientWeir, Work: w}
	trial = max(trial, 4*ahead)
	s, err := b.measure(ctx, at, e, trial)
	if err != nil {
		return growth{}, err
	}
	s, err = b.measure(ctx, at, e, b.enough(s, ahead))
	return growth{sample: s}, err
}

func (b *bench) growSize(ctx context.Context, size int) (growth, error) {
	return b.at(ctx, scene{quorum, size, formatRaw}, work{Op: opBoth, Per: 1}, max(64, min(4000, (8<<20)/size)), 0)
}

func (b *bench) growPrefetch(ctx context.Context, prefetch int) (growth, error) {
	return b.at(ctx, scene{quorum, small, formatRaw}, work{Op: opRead, Ahead: prefetch}, min(8000, 400*prefetch), prefetch)
}

// crowd is endpoints of weir on one runtime.
type crowd struct {
	rt      *weir.Runtime
	writers []*weir.Writer[[]byte]
	readers []*weir.Reader[[]byte]
}

// crowdPrefetch is weir's default: with more, readers hold most records before the clock starts.
const crowdPrefetch = 200

// open opens writers and readers on a channel, one after the other.
func (c *crowd) open(ctx context.Context, channel string, writers, readers int) error {
	for range writers {
		w, err := weir.OpenWriter(ctx, c.rt, channel, weir.Raw(), weir.Create())
		if err != nil {
			return err
		}
		c.writers = append(c.writers, w)
	}
	for range readers {
		r, err := weir.OpenReader(ctx, c.rt, channel, weir.Raw(), weir.Prefetch(crowdPrefetch))
		if err != nil {
			return err
		}
		c.readers = append(c.readers, r)
	}
	return nil
}

// close ends all. Queues and streams are left to the node, which does not live long.
func (c *crowd) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeLimit)
	defer cancel()
	return c.rt.Close(ctx)
}

// crowded makes a crowd, and measures what is done with it, twice: the first time to see how many records are needed.
func (b *bench) crowded(ctx context.Context, ahead int, open func(c *crowd) error, before, do func(c *crowd, n int) error) (growth, error) {
	rt, err := weir.Open(ctx, b.node.URL())
	if err != nil {
		return growth{}, err
	}
	c := &crowd{rt: rt}
	if err := open(c); err != nil {
		return growth{}, errors.Join(err, c.close(ctx))
	}
	g, n := growth{}, max(6400, 4*ahead)
	for range 2 {
		if err = before(c, n); err != nil {
			break
		}
		if !b.quick {
			settle(b.pid)
		}
		runtime.GC()
		m := startMeter(b.pid)
		if err = do(c, n); err != nil {
			break
		}
		g.sample = m.stop(n)
		n = b.enough(g.sample, ahead)
	}
	return g, errors.Join(err, c.close(ctx))
}

func (b *bench) channel() string { return b.place(scene{quorum, small, formatRaw}, work{}).queue }

func nothing(*crowd, int) error { return nil }

func (b *bench) growWriters(ctx context.Context, writers int) (growth, error) {
	return b.crowded(ctx, 0, func(c *crowd) error { return c.open(ctx, b.channel(), writers, 0) }, nothing,
		func(c *crowd, n int) error { return c.write(ctx, n) })
}

func (b *bench) growReaders(ctx context.Context, readers int) (growth, error) {
	channel := b.channel()
	return b.crowded(ctx, readers*crowdPrefetch, func(c *crowd) error { return c.open(ctx, channel, 1, 0) },
		func(c *crowd, n int) error { // the readers come when all is there
			for _, r := range c.readers {
				if err := r.Close(ctx); err != nil {
					return err
				}
			}
			c.readers = nil
			if err := c.write(ctx, n); err != nil {
				return err
			}
			return c.open(ctx, channel, 0, readers)
		},
		func(c *crowd, n int) error { return c.read(ctx, n) })
}

// growChannels has a writer and a reader on each, who share the records.
func (b *bench) growChannels(ctx context.Context, channels int) (growth, error) {
	open := func(c *crowd) error {
		for range channels {
			if err := c.open(ctx, b.channel(), 1, 1); err != nil {
				return err
			}
		}
		return nil
	}
	return b.crowded(ctx, 0, open, nothing, func(c *crowd, n int) error {
		written := make(chan error, 1)
		go func() { written <- c.write(ctx, n) }()
		return errors.Join(c.read(ctx, n), <-written)
	})
}

// write has the writers share the records, each pipelined.
func (c *crowd) write(ctx context.Context, n int) error {
	next := make(chan *weir.Writer[[]byte], len(c.writers))
	for _, w := range c.writers {
		next <- w
	}
	return parts(n, len(c.writers), func(n int) error {
		e := weirEnds[[]byte]{w: <-next, value: make([]byte, small)}
		return e.send(ctx, 1, n)
	})
}

// read has the readers read until all records are read together.
func (c *crowd) read(ctx context.Context, n int) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	got, errs := make(chan int, 64*len(c.readers)), make(chan error, len(c.readers))
	for _, r := range c.readers {
		go func() {
			for {
				batch, err := r.Read(ctx)
				if err == nil {
					err = batch.Commit(ctx)
				}
				if err != nil {
					errs <- err
					return
				}
				got <- len(batch.Values)
			}
		}()
	}
	for total := 0; total < n; {
		select {
		case k := <-got:
			total += k
		case err := <-errs:
			return err
		}
	}
	return nil
}

// growIdle has a writer and a reader on each channel, who do nothing.
func (b *bench) growIdle(ctx context.Context, channels int) (growth, error) {
	return b.idle(ctx, 2*channels, func(c *crowd) error {
		for range channels {
			if err := c.open(ctx, b.channel(), 1, 1); err != nil {
				return err
			}
		}
		return nil
	})
}

// growPeers has all endpoints on one channel, where each hears the status of the other side's.
func (b *bench) growPeers(ctx context.Context, endpoints int) (growth, error) {
	return b.idle(ctx, endpoints, func(c *crowd) error { return c.open(ctx, b.channel(), endpoints/2, endpoints/2) })
}

// idle measures what endpoints cost that only live, over two health intervals or more.
func (b *bench) idle(ctx context.Context, endpoints int, open func(c *crowd) error) (growth, error) {
	rt, err := weir.Open(ctx, b.node.URL())
	if err != nil {
		return growth{}, err
	}
	c := &crowd{rt: rt}
	time.Sleep(200 * time.Millisecond) // what was closed before comes to its end
	before := heapKiB()
	if err := open(c); err != nil {
		return growth{}, errors.Join(err, c.close(ctx))
	}
	lasts := max(6*time.Second, b.each)
	if b.quick {
		lasts = time.Second
	}
	g := growth{Endpoints: endpoints, Heap: (heapKiB() - before) / float64(endpoints)}
	m := startMeter(b.pid)
	select {
	case <-time.After(lasts):
	case <-ctx.Done():
		err = ctx.Err()
	}
	g.sample = m.stop(1)
	return g, errors.Join(err, c.close(ctx))
}

// heapKiB is what is in use, stacks included.
func heapKiB() float64 {
	runtime.GC()
	runtime.GC() // what had a finalizer goes with the second
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc+m.StackInuse) / 1024
}

// middle is the medians of a point.
type middleGrowth struct {
	rate, own, broker, ownCores, brokerCores, disk float64
	ownEach, brokerEach, heap                      float64
}

func middleOf(all []growth) middleGrowth {
	of := func(f func(growth) float64) float64 {
		values := make([]float64, len(all))
		for i := range all {
			values[i] = f(all[i])
		}
		return median(values)
	}
	return middleGrowth{
		rate: of(func(g growth) float64 { return g.rate() }), own: of(func(g growth) float64 { return g.own() }), broker: of(func(g growth) float64 { return g.broker() }),
		ownCores: of(func(g growth) float64 { return g.ownCores() }), brokerCores: of(func(g growth) float64 { return g.brokerCores() }), disk: of(func(g growth) float64 { return g.diskMB() }),
		ownEach: of(func(g growth) float64 { return perEndpoint(g.Own, &g) }), brokerEach: of(func(g growth) float64 { return perEndpoint(g.Broker, &g) }), heap: of(growth.heap),
	}
}

func (s *series) table(points map[int][]growth) string {
	var b strings.Builder
	if s.Idle {
		fmt.Fprintf(&b, "| %s | client CPU, µs a second and endpoint | broker CPU | client, cores | broker, cores | client memory, KiB an endpoint |\n|--:|--:|--:|--:|--:|--:|\n", s.Unit)
	} else {
		fmt.Fprintf(&b, "| %s | records/s | client CPU, µs a record | broker CPU | client, cores | broker, cores | disk, MB/s | bound by |\n|--:|--:|--:|--:|--:|--:|--:|---|\n", s.Unit)
	}
	for _, x := range slices.Sorted(maps.Keys(points)) {
		m := middleOf(points[x])
		if s.Idle {
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", thousands(x), digits(m.ownEach), digits(m.brokerEach), times(m.ownCores), times(m.brokerCores), digits(m.heap))
			continue
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s | %s |\n", thousands(x), count3(m.rate), digits(m.own), digits(m.broker), times(m.ownCores), times(m.brokerCores), digits(m.disk),
			boundBy(m.ownCores, m.brokerCores, runtime.NumCPU()))
	}
	return b.String()
}

// boundBy is a reading of the figures: who has used up the cores, or else that somebody waited.
func boundBy(own, broker float64, cores int) string {
	const full = 0.85
	switch all := own + broker; {
	case all >= full*float64(cores) && own > broker:
		return "our CPU"
	case all >= full*float64(cores):
		return "the broker's CPU"
	case broker >= full:
		return "the broker: one core"
	case own >= full:
		return "us: one core"
	}
	return "waiting: round trips, disk"
}

// plot shows what each point costs: our CPU and the broker's.
func (s *series) plot(points map[int][]growth) string {
	const left, width, row = 110.0, 380.0, 20.0
	xs := slices.Sorted(maps.Keys(points))
	most := 0.0
	cost := func(x int) (own, broker float64, note string) {
		m := middleOf(points[x])
		if s.Idle {
			return m.ownEach, m.brokerEach, digits(m.heap) + " KiB each"
		}
		return m.own, m.broker, count3(m.rate) + " records/s"
	}
	for _, x := range xs {
		own, broker, _ := cost(x)
		most = max(most, own+broker)
	}
	d := &drawing{width: 720}
	unit := "CPU, µs a record"
	if s.Idle {
		unit = "CPU, µs a second and endpoint"
	}
	d.text(16, 26, "text title", s.Title)
	d.text(704, 26, "soft small right", unit)
	d.rect(16, 38, 12, 9, "own")
	d.text(33, 47, "text small", "client")
	d.rect(80, 38, 12, 9, "broker")
	d.text(97, 47, "text small", "broker")
	y := 56.0
	for _, x := range xs {
		own, broker, note := cost(x)
		d.text(left-8, y+13, "text right", thousands(x))
		d.rect(left, y+2, own/most*width, 14, "own")
		d.rect(left+own/most*width, y+2, broker/most*width, 14, "broker")
		d.text(left+(own+broker)/most*width+6, y+13, "text small", digits(own)+" + "+digits(broker))
		d.text(704, y+13, "soft small right", note)
		y += row
	}
	d.height = y + 14
	return d.image(s.Title)
}
