package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/charmbracelet/lipgloss"

	"github.com/d2e2d648/weir/messages"
)

// printable makes of a peer's text one that neither controls the terminal nor breaks the line.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return utf8.RuneError
		}
		return r
	}, s)
}

// clip shortens a text to a width: its middle goes, since names of one channel tend to begin alike and end differently.
func clip(s string, width int) string {
	if lipgloss.Width(s) <= width {
		return s
	}
	if width <= 1 {
		return strings.Repeat("…", max(0, width))
	}
	runes := []rune(s)
	head, tail := 0, len(runes)
	used := 1
	for front := true; head < tail; front = !front {
		r := runes[head]
		if !front {
			r = runes[tail-1]
		}
		w := lipgloss.Width(string(r))
		if used+w > width {
			break
		}
		used += w
		if front {
			head++
		} else {
			tail--
		}
	}
	return string(runes[:head]) + "…" + string(runes[tail:])
}

// count writes 1 reader, 2 readers.
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return number(n) + " " + what + "s"
}

// ago writes an age.
func ago(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", max(0, d.Seconds()))
	case d < 2*time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < 2*time.Hour:
		return fmt.Sprintf("%.0f min", d.Minutes())
	case d < 48*time.Hour:
		return fmt.Sprintf("%.0f h", d.Hours())
	}
	return fmt.Sprintf("%.0f d", d.Hours()/24)
}

// rateText writes records a second; slow ones with a fraction.
func rateText(rate float64) string {
	if rate > 0 && rate < 10 {
		return fmt.Sprintf("%.1f", rate)
	}
	return number(int(min(math.Round(rate), math.MaxInt64/2)))
}

// skewText writes how far a clock is ahead.
func skewText(d time.Duration) string {
	switch size := d.Abs(); {
	case size < time.Second:
		return fmt.Sprintf("%+d ms", d.Milliseconds())
	case size < 100*time.Second:
		return fmt.Sprintf("%+.1f s", d.Seconds())
	case d < 0:
		return "-" + ago(size)
	}
	return "+" + ago(d)
}

// average writes an average with three digits, and whole ones as they are.
func average(v float64) string {
	switch {
	case math.Abs(v) >= 1000:
		return number(int(max(math.MinInt64/2, min(v, math.MaxInt64/2))))
	case v == math.Trunc(v):
		return fmt.Sprint(int(v))
	}
	return digits(v)
}

// entriesText writes the entries of a payload compactly, whatever is in them.
func entriesText(p messages.Payload) string {
	parts := make([]string, 0, len(p))
	for _, e := range p {
		parts = append(parts, clip(printable(e.Key), 24)+"="+clip(printable(valueText(e.Value)), 24))
	}
	return strings.Join(parts, " ")
}

func valueText(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if enc.Encode(v) != nil { // what came as JSON goes as JSON
		return "?"
	}
	return strings.TrimSpace(b.String())
}
