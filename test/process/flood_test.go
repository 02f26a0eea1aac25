package process

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"

	"github.com/d2e2d648/weir"
	"github.com/d2e2d648/weir/messages"
)

// What a child does with a flood: records that are many times what its memory holds. Each begins with its number.

const (
	floodSize = 10 << 10 // bytes of a record
	headSize  = 8        // of which so many are said to the parent
)

// obey answers how many records wait, until the parent has nothing more to ask, and closes what it gives when the child is to go on.
func (c *child) obey(ctx context.Context, look func(context.Context) (*messages.Snapshot, error)) (goOn, over <-chan struct{}) {
	begin, ends := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ends)
		for o := range c.orders {
			switch {
			case o.Go:
				close(begin)
			case o.Look:
				w := word{Says: waiting}
				if s, err := look(ctx); err != nil {
					w.Err = err.Error()
				} else {
					w.N = s.Waiting
				}
				c.say(w)
			}
		}
	}()
	return begin, ends
}

// writeFlood writes as fast as it is let, record by record.
func (c *child) writeFlood(ctx context.Context) error {
	w, err := weir.OpenWriter(ctx, c.rt, c.Channel, weir.Raw(), c.options()...)
	if err != nil {
		return err
	}
	goOn, over := c.obey(ctx, w.Inspect)
	c.say(word{Says: ready})
	<-goOn
	receipts, confirmed := make(chan *weir.Receipt, 1<<14), make(chan error, 1)
	go func() {
		var bad error
		for r := range receipts {
			if err := r.Wait(ctx); err != nil && bad == nil {
				bad = err
			}
		}
		confirmed <- bad
	}()
	body := make([]byte, floodSize)
	for i := range c.Flood {
		binary.BigEndian.PutUint64(body, uint64(i))
		receipt, err := w.Send(ctx, body)
		if err != nil {
			return err
		}
		receipts <- receipt
	}
	close(receipts)
	if err := <-confirmed; err != nil {
		return err
	}
	c.say(word{Says: done, N: c.Flood})
	<-over
	return c.end(w.Close, func() {})
}

// readFlood takes one batch, stands still until it is told to go on, and works all of it off.
func (c *child) readFlood(ctx context.Context) error {
	r, err := weir.OpenReader(ctx, c.rt, c.Channel, weir.Raw(), c.options()...)
	if err != nil {
		return err
	}
	goOn, over := c.obey(ctx, func(ctx context.Context) (*messages.Snapshot, error) {
		if _, err := r.HasRecords(ctx); err != nil { // that is asked behind what the broker has delivered
			return nil, err
		}
		return r.Inspect(ctx)
	})
	c.say(word{Says: ready})
	for n := 0; n < c.Flood; {
		batch, err := r.Read(ctx)
		if err != nil {
			return err
		}
		w := word{Says: delivered, First: n, N: len(batch.Values)}
		for _, body := range batch.Values {
			if len(body) != floodSize {
				return fmt.Errorf("a record has %d bytes", len(body))
			}
			w.Bodies = append(w.Bodies, bytes.Clone(body[:headSize]))
		}
		c.say(w)
		<-goOn
		if err := batch.Commit(ctx); err != nil {
			return err
		}
		n += len(batch.Values)
	}
	c.say(word{Says: done, N: c.Flood})
	<-over
	return c.end(r.Close, func() {})
}
