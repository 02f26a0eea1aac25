package process

import (
	"errors"
	"testing"

	"github.com/rabbitmq/rabbitmq-stream-go-client/pkg/stream"

	"github.com/d2e2d648/weir/test/ledger"
	"github.com/d2e2d648/weir/test/rabbit"
)

// kills is how often a child is killed, and started again under its name. A kill that struck when nothing was under way counts for nothing: so many lives there may be.
const kills, lives = 3, 12

// supply is what there is to read: more than all lives together take.
const supply = 250 * call

// tally is what a child has said in one life, in records.
type tally struct{ sending, settled, delivered, committed, again int }

func (t *tally) add(w word) {
	switch w.Says {
	case sending:
		t.sending += w.N
	case settled:
		t.settled += w.N
	case delivered:
		t.delivered += w.N
		t.again += w.Again
	case committed:
		t.committed += w.N
	}
}

// A writer is killed while records are published and not confirmed: what was confirmed is there, the rest may be, nothing is there twice.
func TestWriterThatIsKilled(t *testing.T) {
	eachVersion(t, func(t *testing.T, node *rabbit.Node) {
		eachPlane(t, func(t *testing.T, onStream bool) {
			s := newScene(t, node, onStream)
			s.reads()
			s.each(s.killWriter)
			w := s.begin("child", false, nil)
			s.feed(w, 50*call, 0)
			if status := w.last(s.wrote); status != 0 {
				t.Errorf("the last life ended with status %d", status)
			}
			s.arrived()
			s.judge()
			if n := s.recovered(); n == 0 {
				t.Error("of what was published and not confirmed nothing has arrived: no kill struck there")
			} else {
				t.Logf("%d records of unknown outcome arrived", n)
			}
		})
	})
}

// each has kills that strike.
func (s *scene) each(kill func() (struck bool)) {
	s.Helper()
	struck := 0
	for n := 0; struck < kills && n < lives; n++ {
		if kill() {
			struck++
		}
	}
	if struck < kills {
		s.Errorf("only %d of %d kills struck while something was under way", struck, lives)
	}
}

// killWriter is a life that ends by SIGKILL behind a drawn number of confirmed calls.
func (s *scene) killWriter() (struck bool) {
	s.Helper()
	w := s.begin("child", false, nil)
	w.await(ready, nil)
	s.feed(w, 1<<20, 0)
	var all tally
	take := func(word word) {
		all.add(word)
		s.wrote(word)
	}
	for range 1 + s.rng.IntN(60) {
		take(w.await(settled, take))
	}
	take(w.await(sending, take))
	w.kill()
	if status := w.last(take); status != -1 {
		s.Errorf("the child ended by itself: status %d", status)
	}
	s.Logf("killed with %d records confirmed, %d under way", all.settled, all.sending-all.settled)
	return all.sending > all.settled
}

// recovered counts the records that arrived and whose outcome nobody was told.
func (s *scene) recovered() (n int) {
	s.ledger.Read(func(l *ledger.Log) {
		for _, d := range l.Readers[0].Deliveries {
			if d.Run == l.Run && d.Seq < uint64(len(l.Writers[0])) && !l.Due(&l.Writers[0][d.Seq]) {
				n++
			}
		}
	})
	return n
}

// A reader is killed while records are delivered and not committed: they come again, at most as many as the prefetch, and on a stream what was committed too late to be stored.
func TestReaderThatIsKilled(t *testing.T) {
	eachVersion(t, func(t *testing.T, node *rabbit.Node) {
		eachPlane(t, func(t *testing.T, onStream bool) {
			s := newScene(t, node, onStream)
			s.writes(supply)
			again := 0
			s.each(func() bool {
				n, struck := s.killReader()
				again += n
				return struck
			})
			s.own.Wait()
			again += s.readRest()
			fates := s.judge()
			if fates.Duplicated < kills {
				t.Errorf("%d records came again, and each of %d kills left some uncommitted", fates.Duplicated, kills)
			}
			if !onStream && again == 0 {
				t.Error("the broker calls none of them redelivered")
			}
		})
	})
}

// killReader is a life that ends by SIGKILL behind a drawn number of batches, and gives how many records in it were marked as redelivered.
func (s *scene) killReader() (again int, struck bool) {
	s.Helper()
	r := s.begin("child", true, nil)
	var all tally
	var last, unsaid word // that was committed; that may have been, and nobody was told
	record := s.read()
	take := func(w word) {
		all.add(w)
		record(w)
		switch w.Says {
		case commits:
			unsaid = w
		case committed:
			last, unsaid = w, word{}
		}
	}
	take(r.await(committed, take))
	if s.Stream {
		s.awaitStored(last.Offset)
	}
	for range 1 + s.rng.IntN(20) {
		take(r.await(delivered, take))
	}
	r.kill()
	if status := r.last(take); status != -1 {
		s.Errorf("the child ended by itself: status %d", status)
	}
	if unsaid.N > 0 {
		record(word{Says: committed, First: unsaid.First, N: unsaid.N})
	}
	s.allow += prefetch
	if s.Stream {
		late := max(0, int(last.Offset)-int(s.stored()))
		s.allow += late
		s.Logf("%d of the committed records were not stored", late)
	}
	s.Logf("killed with %d records committed, %d delivered besides; %d were redelivered to it", all.committed, all.delivered-all.committed, all.again)
	return all.again, all.delivered > all.committed
}

// awaitStored waits until the broker keeps that offset for the child: it is stored while the child reads on.
func (s *scene) awaitStored(offset uint64) {
	s.Helper()
	for s.stored() < int64(offset) {
		if s.ctx.Err() != nil {
			s.Fatalf("the offset %d was committed, and is not stored", offset)
		}
	}
}

// stored gives the offset that the broker keeps for the child, by the client itself; -1: none.
func (s *scene) stored() (offset int64) {
	s.Helper()
	env, err := stream.NewEnvironment(stream.NewEnvironmentOptions().SetUri(s.node.StreamURL()))
	if err != nil {
		s.Fatal(err)
	}
	defer func() {
		if err := env.Close(); err != nil {
			s.Error(err)
		}
	}()
	switch offset, err = env.QueryOffset("child", s.Channel); {
	case errors.Is(err, stream.OffsetNotFoundError):
		return -1
	case err != nil:
		s.Fatal(err)
	}
	return offset
}
