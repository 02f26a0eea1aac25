package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
	"time"

	"github.com/d2e2d648/weir/messages"
)

// sniffLines prints a line for each change, and the counts now and then.
type sniffLines struct {
	out     io.Writer
	every   time.Duration
	next    time.Time // when counts are due
	counted time.Time
	err     error
}

func (l *sniffLines) show(r *roster, news []sniffNews) error {
	for i := range news {
		l.print(news[i].at, news[i].text)
	}
	if l.next.IsZero() { // the first counts when everybody was heard, or at the end of a pause that is shorter
		l.next = r.at.Add(min(l.every, sniffListen))
	}
	if !r.at.Before(l.next) {
		l.next = r.at.Add(l.every)
		l.counts(r)
	}
	return l.err
}

func (l *sniffLines) counts(r *roster) {
	parts := append([]string{r.totalsText(messages.Reading, "read"), r.totalsText(messages.Writing, "written")}, r.queueTexts()...)
	l.counted = r.at
	l.print(r.at, strings.Join(parts, "; "))
}

// end prints the last counts. That nobody reads the output any more is no failure.
func (l *sniffLines) end(err error, r *roster) error {
	if err == nil && r.at.Sub(l.counted) >= time.Second {
		l.counts(r)
		err = l.err
	}
	if errors.Is(err, syscall.EPIPE) {
		return nil
	}
	return err
}

func (l *sniffLines) print(at time.Time, text string) {
	if l.err == nil {
		_, l.err = fmt.Fprintf(l.out, "%s  %s\n", clock(at), text)
	}
}
