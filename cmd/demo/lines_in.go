package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// splitter cuts an input into calls.
type splitter struct {
	in *bufio.Reader
	// eager ends a call early rather than keep its lines waiting for more input: a person may be typing it.
	eager bool
	// skipBlank leaves out blank lines, which are no JSON.
	skipBlank bool
	line      int // lines read so far
}

func (s *splitter) unit() string { return "line" }

func (s *splitter) next() (call inputCall, err error) {
	for size := 0; len(call.records) < callRecords && size < callBytes; {
		if s.eager && len(call.records) > 0 && !s.lineIsThere() {
			break
		}
		line, err := s.read()
		if err != nil {
			return call, err
		}
		if s.skipBlank && len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		call.add(line, s.line)
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
