package main

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"golang.org/x/term"
)

// standard is the process's own console.
func standard() *console {
	return &console{in: os.Stdin, out: os.Stdout, err: os.Stderr, outIsTTY: isTTY(os.Stdout), errIsTTY: isTTY(os.Stderr)}
}

// width is how many columns there are on standard output.
func (c *console) width() int {
	if f, ok := c.out.(*os.File); ok {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
			return min(max(width, 60), 120)
		}
	}
	return 100
}

func isTTY(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// stopper is how a person ends a command: asked once it ends in order, asked twice at once.
type stopper struct {
	soft, hard context.Context
	press      func()
	close      func()
}

// newStopper makes one that only press ends.
func newStopper() *stopper {
	soft, softly := context.WithCancel(context.Background())
	hard, hardly := context.WithCancel(context.Background())
	var mu sync.Mutex
	press := func() {
		mu.Lock()
		defer mu.Unlock()
		if soft.Err() != nil {
			hardly()
		}
		softly()
	}
	return &stopper{soft: soft, hard: hard, press: press, close: func() { softly(); hardly() }}
}

// watchSignals makes a stopper that SIGINT and SIGTERM press. After the second one, signals do again what they do to any program. SIGPIPE is ignored, so that a write
// into a closed pipe is an error like any other.
func watchSignals() *stopper {
	s := newStopper()
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	signal.Ignore(syscall.SIGPIPE)
	end, ended := s.close, make(chan struct{})
	go func() {
		defer close(ended)
		defer signal.Stop(signals)
		for s.hard.Err() == nil {
			select {
			case <-signals:
				s.press()
			case <-s.hard.Done():
			}
		}
	}()
	s.close = func() {
		end()
		<-ended
	}
	return s
}
