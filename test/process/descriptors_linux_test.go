package process

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/d2e2d648/weir/messages"
	"github.com/d2e2d648/weir/supervisor"
	"github.com/d2e2d648/weir/test/rabbit"
)

// noneFree is a limit that leaves standard input, output and error, and gives no descriptor to anybody else.
const noneFree = 3

// limitDescriptors sets the soft limit of another process, and gives what it was.
func (l *life) limitDescriptors(to uint64) (was uint64) {
	l.Helper()
	var limits unix.Rlimit
	err := unix.Prlimit(l.cmd.Process.Pid, unix.RLIMIT_NOFILE, nil, &limits)
	if err == nil {
		was, limits.Cur = limits.Cur, to
		err = unix.Prlimit(l.cmd.Process.Pid, unix.RLIMIT_NOFILE, &limits, nil)
	}
	if err != nil {
		l.Fatal(err)
	}
	return was
}

// All connections are lost while the process has no file descriptor left: both ends try again, no more often than back-offs allow, wait, and go on when there are descriptors again.
func TestOutOfFileDescriptors(t *testing.T) {
	eachVersion(t, func(t *testing.T, node *rabbit.Node) {
		var all []*shortage
		for _, stream := range []bool{false, true} { // one loss serves both
			all = append(all, runOut(newScene(t, node, stream)))
		}
		cut := make(chan error, 1)
		go func() {
			_, err := node.CloseConnections(t.Context())
			cut <- err
		}()
		for _, s := range all {
			s.lose()
		}
		if err := <-cut; err != nil {
			t.Fatal(err)
		}
		for _, s := range all {
			s.goOn()
			s.allow = prefetch // the reader's incident
			if !s.Stream {
				s.allow += supervisor.DefaultWindow // unconfirmed
			}
			s.judge()
		}
	})
}

// shortage is a channel whose ends have no descriptors.
type shortage struct {
	*scene
	w, r       *life
	record     func(word) // of the reader
	was        uint64     // the limit of either
	wOut, rOut chan outage
}

// runOut begins both ends, and takes the descriptors away when they are at work.
func runOut(of *scene) *shortage {
	of.Helper()
	watched := func(c *spec) { c.Watch, c.Hold = true, 0 }
	s := &shortage{scene: of, w: of.begin("writer", false, watched), r: of.begin("child", true, watched), wOut: make(chan outage, 1), rOut: make(chan outage, 1)}
	s.record = s.read()
	s.w.await(ready, nil)
	s.r.await(ready, nil)
	s.feed(s.w, 1<<20, pace)
	for range 10 {
		s.wrote(s.w.await(settled, s.wrote))
		s.record(s.r.await(committed, s.record))
	}
	s.was = s.w.limitDescriptors(noneFree)
	s.r.limitDescriptors(noneFree)
	s.own.Go(func() { s.wOut <- s.w.outage(messages.DataProducer, s.wrote) })
	s.own.Go(func() { s.rOut <- s.r.outage(messages.DataConsumer, s.record) })
	return s
}

// lose waits until both have lost their connections and tried often enough, and gives the descriptors back.
func (s *shortage) lose() {
	s.Helper()
	s.w.noStorm(<-s.wOut)
	s.r.noStorm(<-s.rOut)
	if s.Failed() {
		s.FailNow() // it may have ended
	}
	s.w.limitDescriptors(s.was)
	s.r.limitDescriptors(s.was)
}

// goOn sees that both are at work again, and ends them in order.
func (s *shortage) goOn() {
	s.Helper()
	status := make(chan int, 1)
	s.own.Go(func() { status <- s.r.last(s.record) })
	for s.w.await(works, s.wrote).Part != string(messages.DataProducer) {
	}
	fresh := s.w.await(sending, s.wrote)
	for word := (word{}); word.First != fresh.First; {
		word = s.w.await(settled, s.wrote)
		s.wrote(word)
	}
	s.stop()
	if code := s.w.last(s.wrote); code != 0 {
		s.Errorf("the writer ended with status %d", code)
	}
	s.arrived()
	s.r.stdin.Close()
	if code := <-status; code != 0 {
		s.Errorf("the reader ended with status %d", code)
	}
}

// outage is how a child fared while it could not connect.
type outage struct {
	dials, failures int // from the first lost connection on
	took            time.Duration
}

// connections is how many a child has: to publish and to consume by AMQP, and for the records of a stream. Each is dialled by itself.
func (l *life) connections() int {
	if l.Stream {
		return 3
	}
	return 2
}

// A back-off doubles from 10 ms to 1 s, by full jitter: less than ten quick dials of each connection, and then two in a second in the mean. quickTries and triesASecond is what is forgiven, and so many
// are waited for that a loop without a back-off has more by then.
const quickTries, triesASecond, triesAtLeast = 10, 4, 11

// outage takes what a child says until it has lost its connections, tried often enough to connect again, and its part that carries records has failed for want of a descriptor.
func (l *life) outage(part messages.Child, take func(word)) (o outage) {
	var lost time.Time
	for wanting := false; !wanting || o.dials < triesAtLeast*l.connections(); {
		w, more := l.next()
		if !more {
			l.Errorf("%s ended: %s", l.Name, l.complaint())
			return o
		}
		take(w)
		switch {
		case w.Says == failed:
			if lost.IsZero() {
				lost = time.Now()
			}
			o.failures++
			wanting = wanting || w.Part == string(part) && strings.Contains(w.Err, syscall.EMFILE.Error())
		case w.Says == dials && !lost.IsZero():
			o.dials++
		case w.Says == works && !lost.IsZero():
			l.Errorf("%s has no descriptors, and its %s works", l.Name, w.Part)
		}
	}
	o.took = time.Since(lost)
	return o
}

// noStorm sees that nobody has tried more often than back-offs allow.
func (l *life) noStorm(o outage) {
	l.Helper()
	most := l.connections() * (quickTries + int(triesASecond*o.took.Seconds()))
	l.Logf("%s: %s dialled %d times in %v, %d at most, and parts failed %d times", plane(l.Stream), l.Name, o.dials, o.took, most, o.failures)
	if o.dials > most || o.failures > most {
		l.Errorf("%s tried too often", l.Name)
	}
}
