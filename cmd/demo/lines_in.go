package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
)

// A call of "demo write" is so many lines at most, and about so many bytes.
const (
	callLines = 1000
	callBytes = 4 << 20
)

// lineCall is the lines of one call.
type lineCall struct {
	lines   [][]byte // without their newlines
	numbers []int    // of the lines in the input, from 1
	err     error    // the input's, in a last call without lines
}

// splitter cuts an input into calls.
type splitter struct {
	in *bufio.Reader
	// eager ends a call early rather than keep its lines waiting for more input: a person may be typing it.
	eager bool
	// skipBlank leaves out blank lines, which are no JSON.
	skipBlank bool
	line      int // lines read so far
}

// run hands over calls until the input or the context ends, and closes out.
func (s *splitter) run(ctx context.Context, out chan<- lineCall) {
	defer close(out)
	for {
		call, err := s.next()
		if len(call.lines) > 0 && !hand(ctx, out, call) {
			return
		}
		if err != nil {
			if !errors.Is(err, io.EOF) {
				hand(ctx, out, lineCall{err: err})
			}
			return
		}
	}
}

func hand(ctx context.Context, out chan<- lineCall, call lineCall) bool {
	select {
	case out <- call:
		return true
	case <-ctx.Done():
		return false
	}
}

func (s *splitter) next() (call lineCall, err error) {
	for size := 0; len(call.lines) < callLines && size < callBytes; {
		if s.eager && len(call.lines) > 0 && !s.lineIsThere() {
			break
		}
		line, err := s.read()
		if err != nil {
			return call, err
		}
		if s.skipBlank && len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		call.lines = append(call.lines, line)
		call.numbers = append(call.numbers, s.line)
		size += len(line)
	}
	return call, nil
}

// lineIsThere says whether a line can be read without waiting.
func (s *splitter) lineIsThere() bool {
	buffered, _ := s.in.Peek(s.in.Buffered())
	return bytes.IndexByte(buffered, '\n') >= 0
}

// read gives the next line. One that no broker would take is an error, or a file without newlines would be read into memory.
func (s *splitter) read() (line []byte, err error) {
	for {
		part, err := s.in.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case len(line) > maxBody:
			return nil, fmt.Errorf("line %d is longer than %s bytes, the most that a record can have", s.line+1, number(maxBody))
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err != nil && (len(line) == 0 || !errors.Is(err, io.EOF)):
			if !errors.Is(err, io.EOF) {
				err = fmt.Errorf("read the input after line %d: %w", s.line, err)
			}
			return nil, err
		}
		s.line++
		return bytes.TrimSuffix(line, []byte("\n")), nil
	}
}
