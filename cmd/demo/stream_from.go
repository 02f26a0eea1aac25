package main

import (
	"fmt"
	"strconv"
	"time"

	"github.com/d2e2d648/weir"
)

// streamStart is where a reader begins in a stream, as --from says. The zero value says nothing.
type streamStart struct {
	option weir.Option
}

func (s *streamStart) given() bool { return s.option != nil }

// UnmarshalText reads first, last, next, an offset, a time or how long ago.
func (s *streamStart) UnmarshalText(text []byte) error {
	word := string(text)
	switch word {
	case "first":
		s.option = weir.FromFirst()
		return nil
	case "last":
		s.option = weir.FromLast()
		return nil
	case "next":
		s.option = weir.FromNext()
		return nil
	}
	if offset, err := strconv.ParseUint(word, 10, 63); err == nil {
		s.option = weir.FromOffset(offset)
		return nil
	}
	if back, err := parseAge(word); err == nil && back > 0 {
		s.option = weir.FromTime(time.Now().Add(-back))
		return nil
	}
	at, err := time.Parse(time.RFC3339, word)
	if err != nil {
		return fmt.Errorf("%q is not first, last, next, an offset such as 4711, a time such as 2006-01-02T15:04:05Z, or how long ago, such as 10m", text)
	}
	s.option = weir.FromTime(at)
	return nil
}
