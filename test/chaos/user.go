package chaos

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/d2e2d648/weir"
)

const (
	// pace is how often a writer has something to write.
	pace = 10 * time.Millisecond
	// soon is when the context of a write ends that is withdrawn, and late when it must have returned.
	soon, late = 30 * time.Millisecond, 3 * time.Second
)

// burst is how much more there is to write in a burst.
const burst = 10

// writer writes at its rate until the traffic ends.
type writer struct {
	r       *run
	n       int
	ends    *weir.Writer[[]byte]
	rng     *rand.Rand
	under   chan receiptOf // what is to be settled
	over    chan error     // why the channel has failed, once
	once    sync.Once      // the first failure says all
	revoked sync.Once
	tasks   sync.WaitGroup
}

type receiptOf struct {
	first, n int
	receipt  *weir.Receipt
}

// maxUnsettled is how many writes wait to be settled.
const maxUnsettled = 1 << 14

func (w *writer) start(traffic, life context.Context) {
	w.under, w.over = make(chan receiptOf, maxUnsettled), make(chan error, 1)
	w.tasks.Go(func() {
		defer close(w.under)
		w.write(traffic, life)
	})
	w.tasks.Go(func() { w.settle(life) })
}

// write goes on until the traffic ends. What waits for room then goes in all the same: it ends with the life of the run only.
func (w *writer) write(traffic, life context.Context) {
	beat := time.NewTicker(pace)
	defer beat.Stop()
	most := max(1, 2*w.r.plan.Rate/int(time.Second/pace))
	for {
		select {
		case <-beat.C:
		case err := <-w.over: // that is told by the receipts
			if !w.r.revoked.parks(life, err) {
				return
			}
		case <-traffic.Done():
			return
		}
		n := 1 + w.rng.IntN(most)
		if w.r.bursts.Load() {
			n *= burst
		}
		if every := w.r.plan.Withdraw; every > 0 && w.rng.IntN(every) == 0 {
			w.withdrawn(life, n)
			continue
		}
		first, bodies := w.r.ledger.Attempt(w.n, n)
		receipt, err := w.ends.Send(life, bodies...)
		if err != nil {
			w.failed(life, first, n, err)
			return
		}
		w.under <- receiptOf{first, n, receipt}
	}
}

// withdrawn is a write whose context ends soon.
func (w *writer) withdrawn(life context.Context, n int) {
	ctx, cancel := context.WithTimeout(life, soon)
	defer cancel()
	first, bodies := w.r.ledger.Attempt(w.n, n)
	began := time.Now()
	err := w.ends.Write(ctx, bodies...)
	if took := time.Since(began); took > soon+late {
		w.r.bad("a write with a context of %v took %v", soon, took)
	}
	w.r.ledger.Settle(w.n, first, n, err)
}

// settle waits for the outcomes, in the order of the writes.
func (w *writer) settle(life context.Context) {
	for u := range w.under {
		if err := u.receipt.Wait(life); life.Err() == nil {
			w.r.ledger.Settle(w.n, u.first, u.n, err)
			w.failed(life, u.first, 0, err)
		}
	}
}

func (w *writer) failed(life context.Context, first, n int, err error) {
	if err != nil && life.Err() == nil {
		w.r.ledger.Settle(w.n, first, n, err)
	}
	switch {
	case err == nil || life.Err() != nil:
	case w.r.revoked.expects(err):
		w.revoked.Do(func() { w.over <- err })
	default:
		w.once.Do(func() { w.r.bad("writer %d: %v", w.n, err) })
	}
}

// fresh writes one more record, and says which.
func (w *writer) fresh(ctx context.Context) (seq int, err error) {
	seq, bodies := w.r.ledger.Attempt(w.n, 1)
	err = w.ends.Write(ctx, bodies...)
	w.r.ledger.Settle(w.n, seq, 1, err)
	return seq, err
}

// reader reads and commits until its context ends. One that holds batches commits some at a time, the last one first.
type reader struct {
	r    *run
	n    int
	ends *weir.Reader[[]byte]
	held []heldBatch
}

type heldBatch struct {
	first int // in the log
	batch *weir.Batch[[]byte]
}

// holdsFor is how long a reader waits for another batch before it commits what it holds: it may have used up the prefetch.
const holdsFor = 100 * time.Millisecond

func (u *reader) read(ctx context.Context) {
	for {
		batch, err := u.next(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			u.held = append(u.held, heldBatch{u.r.ledger.Deliver(u.n, batch.Values), batch})
		case u.r.revoked.parks(ctx, err):
			u.held = u.held[:0]
			continue
		case !errors.Is(err, context.DeadlineExceeded):
			u.r.bad("reader %d: %v", u.n, err)
			return
		}
		if err == nil && len(u.held) <= u.r.plan.Hold && u.holds() < u.r.plan.prefetch()/2 {
			continue
		}
		if !u.r.gate.pass(ctx) {
			return
		}
		if err := u.commit(ctx); err != nil {
			if u.r.revoked.parks(ctx, err) {
				u.held = u.held[:0]
				continue
			}
			if ctx.Err() == nil {
				u.r.bad("reader %d: commit: %v", u.n, err)
			}
			return
		}
	}
}

// holds counts the records of what is held: with all that the prefetch allows nothing more would come.
func (u *reader) holds() (n int) {
	for _, h := range u.held {
		n += len(h.batch.Values)
	}
	return n
}

// next waits for the next batch, but not for ever when others are held.
func (u *reader) next(ctx context.Context) (*weir.Batch[[]byte], error) {
	if len(u.held) > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, holdsFor)
		defer cancel()
	}
	return u.ends.Read(ctx)
}

func (u *reader) commit(ctx context.Context) error {
	for _, h := range slices.Backward(u.held) {
		switch err := h.batch.Commit(ctx); {
		case err == nil:
			u.r.ledger.Commit(u.n, h.first, len(h.batch.Values))
		case !errors.Is(err, weir.ErrRedelivered):
			return err
		}
	}
	u.held = u.held[:0]
	return nil
}
