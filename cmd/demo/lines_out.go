package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/d2e2d648/weir"
)

// lineReader writes a channel's records as lines.
type lineReader[T any] struct {
	r     *weir.Reader[T]
	out   io.Writer
	line  func(dst []byte, value T) []byte
	count int // stop after so many; 0: never
	idle  time.Duration

	committed  int
	again      int // written, but their session failed before they were committed
	outputGone bool
	buffer     []byte
}

// copy goes on until soft ends, or what was asked for is done. What it has written it commits, unless hard ends.
func (l *lineReader[T]) copy(soft, hard context.Context) error {
	for soft.Err() == nil && (l.count == 0 || l.committed < l.count) {
		batch, err := l.next(soft)
		if batch == nil {
			return err
		}
		if err := l.write(batch.Values); err != nil {
			return err
		}
		if l.outputGone {
			return nil
		}
		switch err := batch.Commit(hard); {
		case err == nil:
			l.committed += len(batch.Values)
		case errors.Is(err, weir.ErrRedelivered):
			l.again += len(batch.Values)
		default:
			return fmt.Errorf("commit: %w", err)
		}
	}
	return nil
}

// next gives the next batch; none when reading is over, with or without an error.
func (l *lineReader[T]) next(soft context.Context) (*weir.Batch[T], error) {
	ctx, cancel := soft, func() {}
	if l.idle > 0 {
		ctx, cancel = context.WithTimeout(soft, l.idle)
	}
	defer cancel()
	batch, err := l.r.Read(ctx)
	var record *weir.RecordError
	switch {
	case err == nil:
		return batch, nil
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		return nil, nil
	case errors.As(err, &record):
		return nil, fmt.Errorf("a record cannot be read: %s; it and those after it stay in the queue (is the schema the writer's? --undecodable says what else can be done)", plain(record.Err))
	}
	return nil, err
}

// write writes a batch's lines at once.
func (l *lineReader[T]) write(values []T) error {
	l.buffer = l.buffer[:0]
	for _, value := range values {
		l.buffer = append(l.line(l.buffer, value), '\n')
	}
	_, err := l.out.Write(l.buffer)
	if errors.Is(err, syscall.EPIPE) || errors.Is(err, io.ErrClosedPipe) {
		l.outputGone = true
		return nil
	}
	if err != nil {
		return fmt.Errorf("write to standard output: %w", err)
	}
	return nil
}

// textLine gives a record as it is; on a terminal without what would control it.
func textLine(tty bool) func([]byte, []byte) []byte {
	return func(dst, value []byte) []byte {
		if tty {
			return append(dst, escape(string(value))...)
		}
		return append(dst, value...)
	}
}

func stringLine(tty bool) func([]byte, string) []byte {
	return func(dst []byte, value string) []byte {
		var text bytes.Buffer
		e := json.NewEncoder(&text)
		e.SetEscapeHTML(false)
		if err := e.Encode(value); err != nil { // there is no string that this happens to
			panic(err)
		}
		return jsonLine(tty)(dst, bytes.TrimSuffix(text.Bytes(), []byte("\n")))
	}
}

func jsonLine(tty bool) func([]byte, json.RawMessage) []byte {
	return func(dst []byte, value json.RawMessage) []byte {
		if tty {
			return append(dst, escape(string(value))...)
		}
		return append(dst, value...)
	}
}

// escape replaces control characters by escapes, which in JSON mean the same.
func escape(s string) string {
	harmless := func(r rune) bool { return r == '\t' || !unicode.IsControl(r) }
	if utf8.ValidString(s) && strings.IndexFunc(s, func(r rune) bool { return !harmless(r) }) < 0 {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case harmless(r):
			b.WriteString(s[i : i+n])
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
		i += n
	}
	return b.String()
}
