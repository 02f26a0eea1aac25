package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/d2e2d648/weir"
	"github.com/d2e2d648/weir/codec"
)

// lineWriter writes lines and keeps account of them.
type lineWriter[T any] struct {
	w     *weir.Writer[T]
	value func(line []byte) (T, error)
	tell  func(confirmed int)

	pending                     []pendingCall // in their order
	confirmed, unknown, notSent int
	lastSent                    int  // line
	unsentFrom                  int  // the first line that was not sent; 0: none
	finished                    bool // the input came to its end
	failure                     error
}

type pendingCall struct {
	receipt *weir.Receipt
	numbers []int
}

// writeLines writes the input's lines, closes the writer, and says what became of them.
func writeLines[T any](c *console, stop *stopper, cmd *writeCmd, rt *weir.Runtime, split *splitter, format weir.Format[T], value func([]byte) (T, error)) error {
	w, err := openWriter(stop.soft, cmd, rt, format)
	if err != nil {
		return err
	}
	reading, enough := context.WithCancel(stop.soft)
	defer enough()
	calls := make(chan lineCall)
	go split.run(reading, calls)

	l := &lineWriter[T]{w: w, value: value, tell: teller(c)}
	l.send(stop.soft, calls)
	closing, cancel := context.WithTimeout(stop.hard, closeWithin)
	defer cancel()
	closed := w.Close(closing) // it waits for confirms, and answers every call
	l.collect(stop.hard, true)
	return l.summary(c, closed)
}

// send sends calls until the input ends, a line is bad, the channel fails or the context ends. At the end of the input it waits for all confirms, as long as that takes.
func (l *lineWriter[T]) send(ctx context.Context, calls <-chan lineCall) {
	for l.failure == nil {
		select {
		case call, more := <-calls:
			if !more {
				l.finished = ctx.Err() == nil
				l.collect(ctx, true)
				return
			}
			l.sendCall(ctx, call)
		case <-ctx.Done():
			return
		}
		l.collect(ctx, false)
	}
	l.collect(ctx, true) // what was sent before the failure
}

func (l *lineWriter[T]) sendCall(ctx context.Context, call lineCall) {
	if call.err != nil {
		l.failure = call.err
		return
	}
	values := make([]T, len(call.lines))
	for i, line := range call.lines {
		var err error
		if values[i], err = l.value(line); err != nil {
			l.bad(call, i, err)
			return
		}
	}
	receipt, err := l.w.Send(ctx, values...)
	var record *weir.RecordError
	switch {
	case errors.As(err, &record):
		l.bad(call, record.Index, record.Err)
	case err != nil:
		l.ended(pendingCall{numbers: call.numbers}, err)
	default:
		l.pending = append(l.pending, pendingCall{receipt, call.numbers})
		l.lastSent = call.numbers[len(call.numbers)-1]
	}
}

// bad notes the first record that does not fit. Nothing of its call is sent.
func (l *lineWriter[T]) bad(call lineCall, i int, err error) {
	l.unsentFrom = call.numbers[0]
	l.failure = fmt.Errorf("line %d: %s", call.numbers[i], plain(err))
}

// plain says what is wrong with a record without what only a Go programmer needs.
func plain(err error) string {
	var e *codec.Error
	if !errors.As(err, &e) {
		return err.Error()
	}
	text := e.Kind.Error()
	if e.Reason != "" {
		text += ": " + e.Reason
	}
	if e.Path != "" {
		text = "field " + e.Path + ": " + text
	}
	return text
}

// collect takes in the receipts that are settled; with all it waits for every one, until the context ends.
func (l *lineWriter[T]) collect(ctx context.Context, all bool) {
	for len(l.pending) > 0 {
		call := l.pending[0]
		if !all {
			select {
			case <-call.receipt.Done():
			default:
				l.tell(l.confirmed)
				return
			}
		}
		err := call.receipt.Wait(ctx)
		if err != nil && ctx.Err() != nil && errors.Is(err, ctx.Err()) {
			return // it is settled by Close, at the latest
		}
		l.pending = l.pending[1:]
		l.ended(call, err)
	}
	l.tell(l.confirmed)
}

// ended notes what became of a call.
func (l *lineWriter[T]) ended(call pendingCall, err error) {
	if err == nil {
		l.confirmed += len(call.numbers)
		return
	}
	var write *weir.WriteError
	if !errors.As(err, &write) {
		l.unknown += len(call.numbers)
		l.fail(err)
		return
	}
	l.confirmed += write.Count(weir.Confirmed)
	l.unknown += write.Count(weir.Unknown) + write.Count(weir.Unroutable)
	for i, outcome := range write.Outcomes {
		if outcome == weir.NotSent {
			l.notSent++
			if l.unsentFrom == 0 {
				l.unsentFrom = call.numbers[i]
			}
		}
	}
	l.fail(write.Cause)
}

func (l *lineWriter[T]) fail(err error) {
	if l.failure == nil && !errors.Is(err, context.Canceled) && !errors.Is(err, weir.ErrClosed) { // those are our own doing
		l.failure = err
	}
}

// summary says what became of the lines; an error unless all were confirmed.
func (l *lineWriter[T]) summary(c *console, closed error) error {
	for _, call := range l.pending { // cut off
		l.unknown += len(call.numbers)
	}
	text := fmt.Sprintf("%s records were confirmed", number(l.confirmed))
	if l.unknown > 0 {
		text += fmt.Sprintf(", of %s it is not known whether the broker has them", number(l.unknown))
	}
	if l.unsentFrom == 0 && !l.finished {
		l.unsentFrom = l.lastSent + 1
	}
	if l.unsentFrom > 0 {
		text += fmt.Sprintf(", nothing from line %d on was sent", l.unsentFrom)
	}
	switch {
	case l.failure != nil:
		return fmt.Errorf("%w; %s", l.failure, text)
	case !l.finished || l.unknown > 0:
		return fmt.Errorf("interrupted: %s", text)
	case closed != nil:
		return fmt.Errorf("%s, but: %w", text, closed)
	}
	c.say("%s", text)
	return nil
}

// teller shows on a terminal how far it is.
func teller(c *console) func(int) {
	if !c.errIsTTY {
		return func(int) {}
	}
	last := time.Now()
	return func(confirmed int) {
		if now := time.Now(); now.Sub(last) > 200*time.Millisecond {
			last = now
			_, _ = fmt.Fprintf(c.err, "\r%s confirmed\r", number(confirmed))
		}
	}
}
