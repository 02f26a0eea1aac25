package process

import (
	"syscall"
	"testing"
	"time"

	"github.com/d2e2d648/weir"
	"github.com/d2e2d648/weir/test/ledger"
	"github.com/d2e2d648/weir/test/rabbit"
)

// slack is how much later than its deadline a child may have ended, on a machine that has other things to do.
const slack = 2 * time.Second

// terminate sends SIGTERM, takes what the child says behind it, and gives its last word and exit status. It must end by its deadline, and take nothing in once it knows.
func (l *life) terminate(take func(word)) (last word, status int) {
	began := time.Now()
	l.signal(syscall.SIGTERM)
	knows := false
	status = l.last(func(w word) {
		if knows && (w.Says == sending || w.Says == delivered) {
			l.Errorf("%s knew that it was to end, and was %s %d records", l.Name, w.Says, w.N)
		}
		knows = knows || w.Says == ending
		take(w)
		last = w
	})
	if took := time.Since(began); took > l.CloseWithin+slack {
		l.Errorf("%s took %v to end, it had %v", l.Name, took, l.CloseWithin)
	}
	if !knows || last.Says != ended {
		l.Errorf("%s was told to end, and its last word is %q", l.Name, last.Says)
	}
	return last, status
}

// outcomes counts what a writer has said of its records.
func outcomes(into map[weir.Outcome]int, w word) {
	switch {
	case w.Says != settled:
	case w.Outcomes == nil && w.Err == "":
		into[weir.Confirmed] += w.N
	case w.Outcomes != nil:
		for _, o := range w.Outcomes {
			into[o]++
		}
	}
}

// A writer that is told to end waits for the confirms of all that it has sent, and exits with status 0.
func TestWriterThatIsToldToEnd(t *testing.T) {
	eachVersion(t, func(t *testing.T, node *rabbit.Node) {
		eachPlane(t, func(t *testing.T, onStream bool) {
			s := newScene(t, node, onStream)
			s.reads()
			awaited := 0
			for n := 0; awaited == 0 && n < lives; n++ {
				awaited = s.endWriter()
			}
			if awaited == 0 {
				t.Errorf("in none of %d lives a confirm had to be waited for", lives)
			}
			s.arrived()
			s.judge()
		})
	})
}

// endWriter is a life that ends by SIGTERM, and gives how many confirms it still had to wait for.
func (s *scene) endWriter() (awaited int) {
	s.Helper()
	w := s.begin("child", false, nil)
	w.await(ready, nil)
	s.feed(w, 1<<20, 0)
	var all tally
	fates := map[weir.Outcome]int{}
	take := func(word word) {
		if word.Says == ending {
			awaited = all.sending - all.settled
		}
		all.add(word)
		outcomes(fates, word)
		s.wrote(word)
	}
	for range 1 + s.rng.IntN(60) {
		take(w.await(settled, take))
	}
	last, status := w.terminate(take)
	if status != 0 || last.Err != "" || last.Left != (left{}) {
		s.Errorf("status %d: %s, left %+v", status, last.Err, last.Left)
	}
	if all.settled != all.sending || fates[weir.Unknown] > 0 || fates[weir.Confirmed]+fates[weir.NotSent] != all.sending || fates[weir.NotSent] > call {
		s.Errorf("%d records were to be sent, %d are settled: %v; only the call that waited for room may be not sent", all.sending, all.settled, fates)
	}
	s.Logf("ended with %d confirmed, %d of them behind SIGTERM", fates[weir.Confirmed], awaited)
	return awaited
}

// A reader that is told to end commits what it has in hand, and waits until that is certain: nothing of it comes again.
func TestReaderThatIsToldToEnd(t *testing.T) {
	eachVersion(t, func(t *testing.T, node *rabbit.Node) {
		eachPlane(t, func(t *testing.T, onStream bool) {
			s := newScene(t, node, onStream)
			s.writes(100 * call)
			s.endReader()
			s.own.Wait()
			s.readRest()
			s.judge()
		})
	})
}

// endReader is a life that ends by SIGTERM.
func (s *scene) endReader() {
	s.Helper()
	r := s.begin("child", true, nil)
	var all tally
	inHand, record := 0, s.read()
	take := func(w word) {
		if w.Says == ending {
			inHand = all.delivered - all.committed
		}
		all.add(w)
		record(w)
	}
	for range 1 + s.rng.IntN(20) {
		take(r.await(delivered, take))
	}
	last, status := r.terminate(take)
	if status != 0 || last.Err != "" || last.Left != (left{}) {
		s.Errorf("status %d: %s, left %+v", status, last.Err, last.Left)
	}
	if inHand == 0 || all.committed != all.delivered {
		s.Errorf("%d records were delivered, %d committed, %d of them in hand when it was told to end", all.delivered, all.committed, inHand)
	}
	s.Logf("ended with %d committed, %d of them behind SIGTERM", all.committed, inHand)
}

// readRest is a life that reads all that is left, and gives how many records in it were marked as redelivered.
func (s *scene) readRest() (again int) {
	s.Helper()
	r := s.begin("child", true, func(c *spec) { c.Hold, c.Poll, c.Prefetch = 0, 5*poll, 10*poll })
	status := make(chan int, 1)
	take := s.read()
	r.await(ready, nil) // there may be nothing left, and it is to end in order
	s.own.Go(func() {
		status <- r.last(func(w word) {
			again += w.Again
			take(w)
		})
	})
	s.arrived()
	r.stdin.Close()
	if status := <-status; status != 0 {
		s.Errorf("the last life ended with status %d", status)
	}
	return again
}

// On a broker that answers nothing both end by their deadline all the same, with status 1, and name what they leave.
func TestToldToEndOnAFrozenBroker(t *testing.T) {
	eachVersion(t, func(t *testing.T, node *rabbit.Node) {
		planesInTurn(t, func(t *testing.T, onStream bool) {
			newScene(t, node, onStream).endFrozen()
		})
	})
}

func (s *scene) endFrozen() {
	short := func(c *spec) { c.CloseWithin = 2 * time.Second }
	roomy := func(c *spec) { short(c); c.Window = 10_000 } // so it goes on sending when the broker does not answer any more
	w, r := s.begin("writer", false, roomy), s.begin("child", true, short)
	w.await(ready, nil)
	r.await(ready, nil)
	s.feed(w, 1<<20, pace)
	var wrote, read tally
	fates := map[weir.Outcome]int{}
	takeWritten := func(word word) {
		wrote.add(word)
		outcomes(fates, word)
		s.wrote(word)
	}
	var stored word // what was committed last
	late, told, record := 0, false, s.read()
	takeRead := func(word word) {
		read.add(word)
		record(word)
		if told = told || word.Says == ending; word.Says == committed {
			if stored = word; told {
				late += word.N
			}
		}
	}
	for range 1 + s.rng.IntN(20) {
		takeWritten(w.await(settled, takeWritten))
		takeRead(r.await(committed, takeRead))
	}
	if err := s.node.Freeze(); err != nil {
		s.Fatal(err)
	}
	defer s.thaw()
	var fed int
	s.ledger.Read(func(l *ledger.Log) { fed = len(l.Writers[0]) })
	for first := 0; first < fed; { // nobody can confirm what is sent from here on
		word := w.await(sending, takeWritten)
		takeWritten(word)
		first = word.First
	}
	var lastRead word
	status := make(chan int, 1)
	s.own.Go(func() {
		last, code := r.terminate(takeRead)
		lastRead = last
		status <- code
	})
	lastWritten, code := w.terminate(takeWritten)
	if l := lastWritten.Left; code != 1 || l.Unconfirmed == 0 || l.Unconfirmed != fates[weir.Unknown] || l.NotSent > fates[weir.NotSent] || wrote.settled != wrote.sending {
		s.Errorf("the writer: status %d, %s; it leaves %+v of %d, and has said %v", code, lastWritten.Err, l, wrote.sending, fates)
	}
	if l, code := lastRead.Left, <-status; code != 1 || late == 0 || lastRead.Left.Unacknowledged < late {
		s.Errorf("the reader: status %d, %s; it leaves %+v, and has committed %d after SIGTERM", code, lastRead.Err, l, late)
	}
	s.Logf("the writer: %s", lastWritten.Err)
	s.Logf("the reader: %s", lastRead.Err)
	s.thaw()
	s.allow += prefetch
	if s.Stream {
		s.allow += max(0, int(stored.Offset)-int(s.stored()))
	}
	s.readRest()
	s.judge()
}

func (s *scene) thaw() {
	if err := s.node.Thaw(); err != nil {
		s.Error(err)
	}
}
