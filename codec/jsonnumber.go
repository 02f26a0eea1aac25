package codec

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"

	"github.com/hamba/avro/v2"
)

// decimalNumber is a JSON number taken apart: digits × 10^exp, the digits without zeros at either end; "" is zero.
type decimalNumber struct {
	negative bool
	digits   string
	exp      int
}

// maxExp is far beyond what any Avro number or sensible decimal can hold, and small enough to add up.
const maxExp = 1 << 20

// takeApart parses a number that scan has passed.
func takeApart(s string) decimalNumber {
	var d decimalNumber
	s, d.negative = strings.CutPrefix(s, "-")
	mantissa := s
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		mantissa = s[:i]
		e, err := strconv.Atoi(s[i+1:])
		if err != nil || e > maxExp || e < -maxExp {
			e = maxExp
			if s[i+1] == '-' {
				e = -maxExp
			}
		}
		d.exp = e
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	d.exp -= len(fraction)
	d.digits = strings.TrimLeft(whole+fraction, "0")
	trimmed := strings.TrimRight(d.digits, "0")
	d.exp += len(d.digits) - len(trimmed)
	d.digits = trimmed
	if trimmed == "" {
		d.exp = 0
	}
	return d
}

// scaled is the number × 10^scale as a whole number's text; not ok if it is none, or has more than most digits.
func (d decimalNumber) scaled(scale, most int) (text string, ok bool) {
	zeros := d.exp + scale
	if d.digits == "" {
		return "0", true
	}
	if zeros < 0 || len(d.digits)+zeros > most {
		return "", false
	}
	text = d.digits + strings.Repeat("0", zeros)
	if d.negative {
		text = "-" + text
	}
	return text, true
}

func (j *jsonEncoder) integer(n *node, t token) *Error {
	bits := 64
	if n.kind == kindInt {
		bits = 32
	}
	var v int64
	switch {
	case t.typ == tokenString && !j.strict && !j.defaults && n.logical != "":
		moment, e := j.moment(n, t)
		if e != nil {
			return e
		}
		v = moment
	case t.typ != tokenNumber:
		return j.mismatch(t, n)
	default:
		text := string(j.slice(t))
		whole, err := strconv.ParseInt(text, 10, bits)
		if err != nil { // 1.0 and 1e3 are whole numbers, too
			d := takeApart(text)
			scaled, ok := d.scaled(0, 19)
			if d.digits != "" && d.exp < 0 {
				return j.fail(t, ErrMismatch, "%s is no whole number", shorten(text))
			}
			if whole, err = strconv.ParseInt(scaled, 10, bits); !ok || err != nil {
				return j.fail(t, ErrMismatch, "%s is beyond %d bits", shorten(text), bits)
			}
		}
		v = whole
	}
	j.out = binary.AppendVarint(j.out, v)
	return nil
}

// moment reads a date or timestamp from text (RFC 3339; without a zone for the local ones): the underlying number.
func (j *jsonEncoder) moment(n *node, t token) (int64, *Error) {
	layout, unit := "", time.Duration(0)
	switch n.logical {
	case avro.Date:
		layout, unit = time.DateOnly, 24*time.Hour
	case avro.TimestampMillis:
		layout, unit = time.RFC3339Nano, time.Millisecond
	case avro.TimestampMicros:
		layout, unit = time.RFC3339Nano, time.Microsecond
	case avro.LocalTimestampMillis:
		layout, unit = "2006-01-02T15:04:05.999999999", time.Millisecond
	case avro.LocalTimestampMicros:
		layout, unit = "2006-01-02T15:04:05.999999999", time.Microsecond
	default:
		return 0, j.mismatch(t, n)
	}
	at, err := time.Parse(layout, string(j.unquoted(t)))
	if err != nil {
		return 0, j.fail(t, ErrMismatch, "a string that is no %s", n.logical)
	}
	if unit > time.Second {
		return at.Unix() / int64(unit/time.Second), nil // a date: midnight, so nothing is left over
	}
	if at.Nanosecond()%int(unit) != 0 {
		return 0, j.fail(t, ErrMismatch, "finer than %s", n.logical)
	}
	return at.Unix()*int64(time.Second/unit) + int64(at.Nanosecond()/int(unit)), nil // years 0 to 9999: no overflow
}

// float takes a number if reading it back gives the number it is for any reader of JSON, a float64: a whole number must
// be held exactly or be printed again as it is, and what is more precise than a float32 is no float.
func (j *jsonEncoder) float(n *node, t token) *Error {
	if t.typ != tokenNumber {
		return j.mismatch(t, n)
	}
	text := string(j.slice(t))
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return j.fail(t, ErrMismatch, "%s is beyond a double", shorten(text))
	}
	if !strings.ContainsAny(text, ".eE") && len(text) > 15 && !keeps(v, text) {
		return j.fail(t, ErrMismatch, "%s is a whole number that a %s cannot hold", shorten(text), n.kind)
	}
	if n.kind == kindDouble {
		j.out = binary.LittleEndian.AppendUint64(j.out, math.Float64bits(v))
		return nil
	}
	single, err := strconv.ParseFloat(text, 32)
	if back, _ := strconv.ParseFloat(string(appendFloat(nil, single, 32)), 64); err != nil || back != v {
		return j.fail(t, ErrMismatch, "%s is more than a float can hold", shorten(text))
	}
	j.out = binary.LittleEndian.AppendUint32(j.out, math.Float32bits(float32(single)))
	return nil
}

// keeps reports whether v is a whole number exactly, or prints as it.
func keeps(v float64, whole string) bool {
	if takeApart(string(appendFloat(nil, v, 64))) == takeApart(whole) {
		return true
	}
	got, _ := new(big.Float).SetFloat64(v).Int(nil)
	want, _ := new(big.Int).SetString(whole, 10)
	return got.Cmp(want) == 0
}

// decimal takes "-1.25" or −1.25, exactly: what is finer than the scale, or longer than the precision, does not fit.
func (j *jsonEncoder) decimal(n *node, t token) *Error {
	text := string(j.slice(t))
	switch {
	case t.typ == tokenString:
		text = string(j.unquoted(t))
		var s scanner
		s.src = []byte(text)
		if s.number() != nil || s.pos != len(text) {
			return j.fail(t, ErrMismatch, "a string that is no decimal number")
		}
	case t.typ != tokenNumber || j.strict:
		return j.mismatch(t, n)
	}
	unscaled, ok := takeApart(text).scaled(n.scale, n.prec)
	if !ok {
		return j.fail(t, ErrMismatch, "%s has more than %d digits, or more than %d after the point", shorten(text), n.prec, n.scale)
	}
	v, _ := new(big.Int).SetString(unscaled, 10)
	if j.strict && string(appendDecimal(nil, v, n.scale)) != text {
		return j.fail(t, ErrMismatch, "another spelling of a decimal, in a union")
	}
	size := v.BitLen()/8 + 1
	if v.Sign() < 0 {
		size = new(big.Int).Not(v).BitLen()/8 + 1
	}
	if n.kind == kindFixed {
		if size > n.size {
			return j.fail(t, ErrMismatch, "%s is more than %s can hold", shorten(text), n.name)
		}
		size = n.size
	}
	return j.putBytes(n, t, twosComplement(v, size))
}

// twosComplement is v in so many bytes, the greatest first; they must be enough.
func twosComplement(v *big.Int, size int) []byte {
	if v.Sign() < 0 {
		v = new(big.Int).Add(v, new(big.Int).Lsh(big.NewInt(1), uint(size)*8))
	}
	return v.FillBytes(make([]byte, size))
}

func fromTwosComplement(b []byte) *big.Int {
	v := new(big.Int).SetBytes(b)
	if len(b) > 0 && b[0] >= 0x80 {
		v.Sub(v, new(big.Int).Lsh(big.NewInt(1), uint(len(b))*8))
	}
	return v
}

// appendDecimal appends unscaled × 10^−scale with exactly scale digits after the point.
func appendDecimal(dst []byte, unscaled *big.Int, scale int) []byte {
	digits := new(big.Int).Abs(unscaled).Append(nil, 10)
	if unscaled.Sign() < 0 {
		dst = append(dst, '-')
	}
	if missing := scale + 1 - len(digits); missing > 0 {
		digits = append(bytes.Repeat([]byte("0"), missing), digits...)
	}
	dst = append(dst, digits[:len(digits)-scale]...)
	if scale > 0 {
		dst = append(append(dst, '.'), digits[len(digits)-scale:]...)
	}
	return dst
}

// appendFloat appends a finite number in the fewest digits that read back as the same bits, as encoding/json does.
func appendFloat(dst []byte, v float64, bits int) []byte {
	size, format := math.Abs(v), byte('f')
	if size != 0 && (size < 1e-6 || size >= 1e21) {
		format = 'e'
	}
	dst = strconv.AppendFloat(dst, v, format, -1, bits)
	if n := len(dst); format == 'e' && dst[n-4] == 'e' && dst[n-2] == '0' {
		dst = append(dst[:n-2], dst[n-1]) // e-09 → e-9
	}
	return dst
}
