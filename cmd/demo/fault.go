package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/d2e2d648/weir/messages"
)

// fault is one of an experiment: a value with a start and, where it lasts, a length.
type fault struct {
	kind   *faultKind
	at     time.Duration // since the first record; below 0: not said
	length time.Duration // where it lasts

	// Beside the length, by kind.
	crash crashSpec     // who crashes, and how
	delay time.Duration // of each packet
	count int           // bytes a second, bytes of a piece, confirms
	whose string        // publisher or consumer
}

// UnmarshalText reads NAME[@TIME][:ARGUMENT].
func (f *fault) UnmarshalText(text []byte) error {
	head, arg, given := strings.Cut(string(text), ":")
	name, at, timed := strings.Cut(head, "@")
	kind := kindOf(name)
	if kind == nil {
		return fmt.Errorf("%q: there is no fault %q; the nearest are %s (all of them: demo experiment --list)", text, name, strings.Join(nearest(name, faultNames()), ", "))
	}
	*f = fault{kind: kind, at: -1, length: kind.length}
	if timed {
		var err error
		if f.at, err = time.ParseDuration(at); err != nil || f.at < 0 {
			return fmt.Errorf("%q: %q is not when it begins; a duration since the first record is expected, such as 3s or 1500ms", text, at)
		}
	}
	if err := f.takeDefaults(); err != nil {
		return err
	}
	if !given {
		return nil
	}
	if err := f.takeArguments(arg); err != nil {
		return fmt.Errorf("%q: %w; %s takes %s", text, err, name, kind.takes())
	}
	return nil
}

func (f *fault) takeDefaults() error {
	if a := f.kind.argument; a != nil {
		return a.read(f, a.otherwise)
	}
	return nil
}

// takeArguments reads LENGTH[,ARGUMENT] where the fault lasts, and otherwise ARGUMENT.
func (f *fault) takeArguments(text string) error {
	own := text
	if f.kind.length > 0 {
		var length string
		length, own, _ = strings.Cut(text, ",")
		if length != "" {
			d, err := time.ParseDuration(length)
			if err != nil || d <= 0 {
				return fmt.Errorf("%q is not a length above 0", length)
			}
			f.length = d
		}
	}
	switch {
	case own == "":
		return nil
	case f.kind.argument == nil && f.kind.length > 0:
		return fmt.Errorf("%q is too much", own)
	case f.kind.argument == nil:
		return errors.New("it takes no argument")
	}
	return f.kind.argument.read(f, own)
}

// String gives the fault as it is written on the command line, complete.
func (f *fault) String() string {
	text := f.kind.name
	if f.at >= 0 {
		text += "@" + f.at.String()
	}
	if args := f.arguments(); args != "" {
		text += ":" + args
	}
	return text
}

func (f *fault) arguments() string {
	var parts []string
	if f.kind.length > 0 {
		parts = append(parts, f.length.String())
	}
	if f.kind.argument != nil {
		parts = append(parts, f.kind.argument.write(f))
	}
	return strings.Join(parts, ",")
}

// argument is what a kind of fault takes beside its length.
type argument struct {
	form      string // for people
	otherwise string // the default, as it is written
	read      func(*fault, string) error
	write     func(*fault) string
}

func actorArgument() *argument {
	return &argument{form: "ACTOR=panic|error|goexit|hang", otherwise: "data-consumer=panic",
		read: func(f *fault, text string) (err error) {
			f.crash, err = readCrash(text)
			return err
		},
		write: func(f *fault) string { return string(f.crash.Actor) + "=" + string(f.crash.Kind) }}
}

func readCrash(text string) (crashSpec, error) {
	name, kind, ok := strings.Cut(text, "=")
	s := crashSpec{Actor: messages.Child(name), Kind: crashKind(kind)}
	if !ok {
		return s, fmt.Errorf("%q does not say who and how", text)
	}
	return s, s.check()
}

func delayArgument(otherwise string) *argument {
	return &argument{form: "DELAY", otherwise: otherwise,
		read: func(f *fault, text string) (err error) {
			if f.delay, err = time.ParseDuration(text); err != nil || f.delay <= 0 {
				return fmt.Errorf("%q is not a delay above 0", text)
			}
			return nil
		},
		write: func(f *fault) string { return f.delay.String() }}
}

func countArgument(form, otherwise string) *argument {
	return &argument{form: form, otherwise: otherwise,
		read: func(f *fault, text string) (err error) {
			if f.count, err = strconv.Atoi(text); err != nil || f.count <= 0 {
				return fmt.Errorf("%q is not a number above 0", text)
			}
			return nil
		},
		write: func(f *fault) string { return strconv.Itoa(f.count) }}
}

const (
	ofPublisher = "publisher"
	ofConsumer  = "consumer"
)

func whoseArgument() *argument {
	return &argument{form: "publisher|consumer", otherwise: ofConsumer,
		read: func(f *fault, text string) error {
			if text != ofPublisher && text != ofConsumer {
				return fmt.Errorf("%q is neither publisher nor consumer", text)
			}
			f.whose = text
			return nil
		},
		write: func(f *fault) string { return f.whose }}
}

// nearest gives the three names that are most like one that there is not: those that begin like it first.
func nearest(name string, all []string) []string {
	all = slices.Clone(all)
	far := func(other string) int {
		n := edits(name, other)
		if name != "" && strings.HasPrefix(other, name) {
			n -= 100 // more than any name is long
		}
		return n
	}
	slices.SortStableFunc(all, func(a, b string) int { return far(a) - far(b) })
	return all[:min(3, len(all))]
}

// edits counts the letters that must be changed, put in or left out to make one word of another.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := before
			if a[i] != b[j] {
				change++
			}
			before = row[j+1]
			row[j+1] = min(change, row[j]+1, before+1)
		}
	}
	return row[len(b)]
}
