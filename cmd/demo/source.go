package main

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
)

// source says what the writers send: so many generated records, or the lines of a file. Safe for concurrent use.
type source struct {
	// more says that it must go on although its records have come to their end.
	more func() bool

	mu    sync.Mutex
	left  int // records; −1: as many as the file has
	most  int // bytes of a record
	file  *os.File
	lines *bufio.Reader
	read  int // lines, since the file's beginning
}

const defaultRecords = 200_000

func newSource(input string, records, most int) (*source, error) {
	s := &source{left: records, most: most, more: func() bool { return false }}
	if input == "" {
		if records == 0 {
			s.left = defaultRecords
		}
		return s, nil
	}
	if records == 0 {
		s.left = -1
	}
	file, err := os.Open(input)
	if err != nil {
		return nil, usage("open the input: %w", err)
	}
	s.file, s.lines = file, bufio.NewReaderSize(file, 1<<16)
	return s, nil
}

func (s *source) close() {
	if s.file != nil {
		_ = s.file.Close()
	}
}

// take gives the payloads of up to most records: nil ones when they are to be generated; none at the end.
func (s *source) take(most int) ([][]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.left == 0 && s.more() {
		s.left = most
	}
	n := most
	if s.left >= 0 {
		n = min(most, s.left)
	}
	payloads := make([][]byte, 0, n)
	for len(payloads) < n {
		line, err := s.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read the input: %w", err)
		}
		payloads = append(payloads, line)
	}
	if s.left > 0 {
		s.left -= len(payloads)
	}
	return payloads, nil
}

// next gives a payload. A file that has been read begins again where more records are demanded.
func (s *source) next() ([]byte, error) {
	if s.file == nil {
		return nil, nil
	}
	line, err := s.lines.ReadBytes('\n')
	if len(line) == 0 && errors.Is(err, io.EOF) && s.read > 0 && s.more() {
		if _, err := s.file.Seek(0, io.SeekStart); err != nil {
			return nil, err
		}
		s.lines.Reset(s.file)
		s.read = 0
		line, err = s.lines.ReadBytes('\n')
	}
	if err != nil && (len(line) == 0 || !errors.Is(err, io.EOF)) {
		return nil, err
	}
	s.read++
	line = bytes.TrimSuffix(line, []byte("\n"))
	if room := s.most - identitySize; len(line) > room {
		return nil, fmt.Errorf("line %d has %d bytes: a record has room for %d", s.read, len(line), room)
	}
	return line, nil
}

func newRunID() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // it never fails
	return binary.BigEndian.Uint64(b[:])
}
