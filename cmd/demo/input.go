package main

import (
	"context"
	"errors"
	"io"
)

// A call of "demo write" is so many records at most, and about so many bytes.
const (
	callRecords = 1000
	callBytes   = 4 << 20
)

// inputCall is the records of one call.
type inputCall struct {
	records [][]byte
	numbers []int // of the records (or their lines) in the input, from 1
	err     error // the input's, in a last call without records
}

func (c *inputCall) add(record []byte, number int) {
	c.records = append(c.records, record)
	c.numbers = append(c.numbers, number)
}

// cutter cuts an input into calls.
type cutter interface {
	// next gives the next call. With an error, io.EOF at the end, it is the last, and may have records that came before it.
	next() (inputCall, error)
	// unit is what the numbers count.
	unit() string
}

// feed hands over calls until the input or the context ends, and closes out.
func feed(ctx context.Context, from cutter, out chan<- inputCall) {
	defer close(out)
	for {
		call, err := from.next()
		if len(call.records) > 0 && !hand(ctx, out, call) {
			return
		}
		if err != nil {
			if !errors.Is(err, io.EOF) {
				hand(ctx, out, inputCall{err: err})
			}
			return
		}
	}
}

func hand(ctx context.Context, out chan<- inputCall, call inputCall) bool {
	select {
	case out <- call:
		return true
	case <-ctx.Done():
		return false
	}
}
