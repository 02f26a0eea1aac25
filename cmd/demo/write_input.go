package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/d2e2d648/weir"
	"github.com/d2e2d648/weir/codec"
)

// recordWriter writes the records of an input and keeps account of them.
type recordWriter[T any] struct {
	w     *weir.Writer[T]
	value func(record []byte) (T, error)
	unit  string // what the input is counted in
	tell  func(confirmed int)

	pending                     []pendingCall // in their order
	confirmed, unknown, notSent int
	lastSent                    int  // its number
	unsentFrom                  int  // the first that was not sent; 0: none
	finished                    bool // the input came to its end
	failure                     error
}

type pendingCall struct {
	receipt *weir.Receipt
	numbers []int
}

// job is a command that has looked at its flags and files, and now only needs a broker.
type job func(c *console, stop *stopper, rt *weir.Runtime) error

// writeJob writes what the cutter gives, closes the writer, and says what became of it.
func writeJob[T any](cmd *writeCmd, from cutter, format weir.Format[T], value func([]byte) (T, error)) job {
	return func(c *console, stop *stopper, rt *weir.Runtime) error {
		w, err := openWriter(stop.soft, cmd, rt, format)
		if err != nil {
			return err
		}
		return writeInput(c, stop, from, &recordWriter[T]{w: w, value: value, unit: from.unit(), tell: teller(c)})
	}
}

func writeInput[T any](c *console, stop *stopper, from cutter, l *recordWriter[T]) error {
	reading, enough := context.WithCancel(stop.soft)
	defer enough()
	calls := make(chan inputCall)
	go feed(reading, from, calls)

	l.send(stop.soft, calls)
	closing, cancel := context.WithTimeout(stop.hard, closeWithin)
	defer cancel()
	closed := l.w.Close(closing) // it waits for confirms, and answers every call
	l.collect(stop.hard, true)
	return l.summary(c, closed)
}

// send sends calls until the input ends, a record is bad, the channel fails or the context ends. At the end of the input it waits for all confirms, as long as that takes.
func (l *recordWriter[T]) send(ctx context.Context, calls <-chan inputCall) {
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

func (l *recordWriter[T]) sendCall(ctx context.Context, call inputCall) {
	if call.err != nil {
		l.failure = call.err
		return
	}
	values := make([]T, len(call.records))
	for i, record := range call.records {
		var err error
		if values[i], err = l.value(record); err != nil {
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
func (l *recordWriter[T]) bad(call inputCall, i int, err error) {
	l.unsentFrom = call.numbers[0]
	l.failure = fmt.Errorf("%s %d: %s", l.unit, call.numbers[i], plain(err))
}

// plain says what is wrong with a record without what only a Go programmer needs.
func plain(err error) string {
	var e *codec.Error
	if !errors.As(err, &e) {
		return strings.TrimSuffix(err.Error(), " (see MaxRecord)")
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
func (l *recordWriter[T]) collect(ctx context.Context, all bool) {
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
func (l *recordWriter[T]) ended(call pendingCall, err error) {
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

func (l *recordWriter[T]) fail(err error) {
	if l.failure == nil && !errors.Is(err, context.Canceled) && !errors.Is(err, weir.ErrClosed) { // those are our own doing
		l.failure = err
	}
}

// summary says what became of the records; an error unless all were confirmed.
func (l *recordWriter[T]) summary(c *console, closed error) error {
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
		text += fmt.Sprintf(", nothing from %s %d on was sent", l.unit, l.unsentFrom)
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
