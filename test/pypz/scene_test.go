package pypz_test

import (
	"context"
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"github.com/d2e2d648/weir"
	"github.com/d2e2d648/weir/messages"
	"github.com/d2e2d648/weir/test/pypz"
	"github.com/d2e2d648/weir/test/rabbit"
	"github.com/d2e2d648/weir/test/rabbit/rabbittest"
)

const (
	// quick is the pause between health checks of both sides.
	quick = 50 * time.Millisecond
	// limit ends a test that waits for what does not happen.
	limit = 40 * time.Second
)

// scene is one test on one node: a channel of its own, pypz peers, and a weir runtime.
type scene struct {
	*testing.T
	ctx       context.Context
	node      *rabbit.Node
	channel   string
	rt        *weir.Runtime
	tolerated map[*pypz.Channel]bool
}

// each runs f on every version of RabbitMQ, beside all other tests.
func each(t *testing.T, f func(s *scene)) {
	t.Helper()
	t.Parallel()
	rabbittest.EachVersion(t, func(t *testing.T, node *rabbit.Node) {
		t.Parallel()
		f(newScene(t, node))
	})
}

func newScene(t *testing.T, node *rabbit.Node) *scene {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	s := &scene{T: t, ctx: ctx, node: node, channel: "pypz-" + rand.Text()[:10], tolerated: map[*pypz.Channel]bool{}}
	t.Cleanup(cancel)
	s.rt = s.runtime(node.URL())
	return s
}

// runtime is one that the test's end closes.
func (s *scene) runtime(url string) *weir.Runtime {
	s.Helper()
	rt, err := weir.Open(s.ctx, url)
	s.must(err)
	s.Cleanup(func() {
		if err := rt.Close(s.ctx); err != nil {
			s.Errorf("close the runtime: %v", err)
		}
	})
	return rt
}

func (s *scene) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// done wants an answer that is not "not yet".
func (s *scene) done(what string) func(bool, error) {
	return func(done bool, err error) {
		s.Helper()
		if err != nil || !done {
			s.Fatalf("%s: %v, %v", what, done, err)
		}
	}
}

// notYet wants the answer "not yet".
func (s *scene) notYet(what string) func(bool, error) {
	return func(done bool, err error) {
		s.Helper()
		if err != nil || done {
			s.Fatalf("%s: %v, %v: it should be not yet", what, done, err)
		}
	}
}

// options are those of a pypz peer of the scene's channel.
func (s *scene) options(name string, change ...func(*pypz.Options)) pypz.Options {
	// A poll of statuses goes on while they come at shorter intervals than its silence: this keeps the original's proportion of 1 to 20.
	o := pypz.Options{URL: s.node.URL(), Channel: s.channel, Context: name, Interval: quick, StatusSilence: quick / 20, DataSilence: quick / 2}
	for _, f := range change {
		f(&o)
	}
	return o
}

// reader makes a pypz reader that is not open yet; the test's end closes it, and fails when it has met errors.
func (s *scene) reader(name string, change ...func(*pypz.Options)) *pypz.Reader {
	r := pypz.NewReader(s.options(name, change...))
	s.closeAtEnd(name, &r.Channel)
	return r
}

func (s *scene) writer(name string, change ...func(*pypz.Options)) *pypz.Writer {
	w := pypz.NewWriter(s.options(name, change...))
	s.closeAtEnd(name, &w.Channel)
	return w
}

// openReader makes a pypz reader that runs. It creates nothing.
func (s *scene) openReader(name string, change ...func(*pypz.Options)) *pypz.Reader {
	s.Helper()
	r := s.reader(name, change...)
	s.done("open " + name)(r.Open())
	r.InitOffset()
	s.must(r.Start())
	return r
}

func (s *scene) openWriter(name string, change ...func(*pypz.Options)) *pypz.Writer {
	s.Helper()
	w := s.writer(name, change...)
	s.done("open " + name)(w.Open())
	s.must(w.Start())
	return w
}

func (s *scene) closeAtEnd(name string, c *pypz.Channel) {
	s.Cleanup(func() {
		if s.tolerated[c] {
			return
		}
		if err := c.Close(); err != nil {
			s.Errorf("close %s: %v", name, err)
		}
		for _, err := range c.Errors() {
			s.Errorf("pypz peer %s: %v", name, err)
		}
	})
}

// kill ends a peer; it is not closed at the test's end.
func (s *scene) kill(c *pypz.Channel) {
	s.tolerated[c] = true
	c.Kill()
}

// tolerate lets a peer have errors, and says that the test closes it.
func (s *scene) tolerate(c *pypz.Channel) { s.tolerated[c] = true }

// createdByPypz makes the channel's resources as a pypz principal does.
func (s *scene) createdByPypz(change ...func(*pypz.Options)) {
	s.Helper()
	s.done("create")(s.reader("creator", change...).CreateResources())
}

func fanOut(group string, index, size int) func(*pypz.Options) {
	return func(o *pypz.Options) { o.Group, o.Index, o.Size, o.GroupMode = group, index, size, true }
}

func inGroup(group string, index, size int) func(*pypz.Options) {
	return func(o *pypz.Options) { o.Group, o.Index, o.Size = group, index, size }
}

func silent(o *pypz.Options) { o.Silent = true }

// end is what weir readers and writers have in common.
type end interface {
	Inspect(context.Context) (*messages.Snapshot, error)
	Subscribe() *weir.Subscription
}

// weirReader opens one with short health intervals.
func (s *scene) weirReader(name string, opts ...weir.Option) *weir.Reader[string] {
	s.Helper()
	return openWeirReader(s, s.rt, name, weir.Text(), opts...)
}

func openWeirReader[T any](s *scene, rt *weir.Runtime, name string, format weir.Format[T], opts ...weir.Option) *weir.Reader[T] {
	s.Helper()
	r, err := weir.OpenReader(s.ctx, rt, s.channel, format, append([]weir.Option{weir.Name(name), weir.HealthInterval(quick), weir.WithoutMetrics()}, opts...)...)
	s.must(err)
	return r
}

func (s *scene) weirWriter(name string, opts ...weir.Option) *weir.Writer[string] {
	s.Helper()
	return openWeirWriter(s, s.rt, name, weir.Text(), opts...)
}

func openWeirWriter[T any](s *scene, rt *weir.Runtime, name string, format weir.Format[T], opts ...weir.Option) *weir.Writer[T] {
	s.Helper()
	w, err := weir.OpenWriter(s.ctx, rt, s.channel, format, append([]weir.Option{weir.Name(name), weir.HealthInterval(quick), weir.WithoutMetrics()}, opts...)...)
	s.must(err)
	return w
}

// peers gives what a weir endpoint knows of others, by their own names.
func (s *scene) peers(e end) map[string]messages.Peer {
	s.Helper()
	snapshot, err := e.Inspect(s.ctx)
	s.must(err)
	peers := map[string]messages.Peer{}
	for _, p := range snapshot.Peers.All {
		peers[strings.TrimPrefix(p.Name, s.channel+"@")] = p
	}
	return peers
}

// weirSees waits until a weir endpoint knows a peer as wanted. It looks at every event of the endpoint.
func (s *scene) weirSees(e end, name, what string, is func(messages.Peer) bool) messages.Peer {
	s.Helper()
	events := e.Subscribe()
	defer events.Close()
	for {
		known := s.peers(e)
		if p, ok := known[name]; ok && is(p) {
			return p
		}
		if _, err := events.Next(s.ctx); err != nil || s.ctx.Err() != nil {
			s.Fatalf("weir was to see %s of %s: %v; it sees %+v", what, name, s.ctx.Err(), known)
		}
	}
}

func (s *scene) weirSeesState(e end, name string, state messages.Kind) messages.Peer {
	s.Helper()
	return s.weirSees(e, name, string(state), func(p messages.Peer) bool { return p.State == state })
}

// readPypz reads until there are n records, and commits them.
func (s *scene) readPypz(r *pypz.Reader, n int) (records []pypz.Record) {
	s.Helper()
	for len(records) < n {
		got, err := r.Read()
		s.must(err)
		records = append(records, got...)
		s.must(r.CommitCurrent())
		if s.ctx.Err() != nil {
			s.Fatalf("%d of %d records came", len(records), n)
		}
	}
	return records
}

// readWeir reads until there are n records, and commits them.
func readWeir[T any](s *scene, r *weir.Reader[T], n int) (values []T, bodies [][]byte) {
	s.Helper()
	for len(values) < n {
		b, err := r.Read(s.ctx)
		if err != nil {
			s.Fatalf("%v; %d of %d records came", err, len(values), n)
		}
		values = append(values, b.Values...)
		for _, record := range b.Records {
			bodies = append(bodies, record.Body)
		}
		s.must(b.Commit(s.ctx))
	}
	return values, bodies
}
