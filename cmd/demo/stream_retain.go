package main

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/d2e2d648/weir"
)

// retained is one bound of what a stream keeps: an age or a size.
type retained struct {
	age   time.Duration
	bytes int64
}

// UnmarshalText reads 24h, 7d, 10GiB.
func (r *retained) UnmarshalText(text []byte) error {
	word := string(text)
	if age, err := parseAge(word); err == nil {
		if age < time.Second || age%time.Second != 0 {
			return fmt.Errorf("%q: brokers count whole seconds", text)
		}
		r.age = age
		return nil
	}
	bytes, err := parseSize(word)
	if err != nil {
		return fmt.Errorf("%q is neither an age, such as 24h or 7d, nor a size, such as 500MB or 10GiB", text)
	}
	r.bytes = bytes
	return nil
}

// parseAge reads a duration, which may be in days.
func parseAge(word string) (time.Duration, error) {
	if days, is := strings.CutSuffix(word, "d"); is {
		n, err := strconv.ParseUint(days, 10, 16) // 65,535 days fit into a duration
		return time.Duration(n) * 24 * time.Hour, err
	}
	return time.ParseDuration(word)
}

var errSize = errors.New("no size")

// parseSize reads a number with a unit of bytes.
func parseSize(word string) (int64, error) {
	number := strings.TrimRight(word, "KMGTiB")
	unit, known := map[string]float64{"B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}[word[len(number):]]
	n, err := strconv.ParseFloat(number, 64)
	if size := n * unit; known && err == nil && size >= 1 && size < math.MaxInt64 {
		return int64(size), nil
	}
	return 0, errSize
}

// retentionFlag is all that --retain says.
type retentionFlag []retained

func (f retentionFlag) check() error {
	ages, sizes := 0, 0
	for _, r := range f {
		if r.age > 0 {
			ages++
		} else {
			sizes++
		}
	}
	if ages > 1 || sizes > 1 {
		return errors.New("--retain: one age and one size are possible, such as 24h,10GiB")
	}
	return nil
}

func (f retentionFlag) option() weir.Option {
	var all retained
	for _, r := range f {
		all.age, all.bytes = max(all.age, r.age), max(all.bytes, r.bytes)
	}
	return weir.Retention(all.age, all.bytes)
}
