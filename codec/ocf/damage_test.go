package ocf

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"

	"github.com/d2e2d648/weir/codec"
)

// part is a piece of a file: text as it is, a number as a varint, a slice with its length.
func file(parts ...any) []byte {
	var b []byte
	for _, p := range parts {
		switch p := p.(type) {
		case string:
			b = append(b, p...)
		case int:
			b = binary.AppendVarint(b, int64(p))
		case int64:
			b = binary.AppendVarint(b, p)
		case []byte:
			b = append(binary.AppendVarint(b, int64(len(p))), p...)
		}
	}
	return b
}

const mark = "0123456789abcdef"

func header(schema, codecName string) string {
	return string(file(magic, 2, []byte(keySchema), []byte(schema), []byte(keyCodec), []byte(codecName), 0, mark))
}

func TestDamage(t *testing.T) {
	text := header(`"string"`, Null)
	good := string(file(2, []byte("\x02a\x02b"), mark))
	for _, c := range []struct {
		name, file string
		given      int
		record     int
		block      int
		say        string
	}{
		{"empty", "", 0, 0, 0, "no Avro container file"},
		{"something else", "{\"id\":1}\n", 0, 0, 0, "no Avro container file"},
		{"header cut off", text[:20], 0, 0, 0, "cut off"},
		{"metadata without end", magic + string(file(1<<40, []byte("k"))), 0, 0, 0, "cut off"},
		{"metadata of 2^63 entries", magic + string(file(int64(-1<<63), 0, []byte("k"), []byte("v"))), 0, 0, 0, "cut off"},
		{"metadata too long", magic + string(file(1, 1<<40)), 0, 0, 0, "at most 4194304 bytes of metadata"},
		{"metadata of negative length", magic + string(file(1, -1)), 0, 0, 0, "a length of -1"},
		{"no schema", magic + "\x00" + mark, 0, 0, 0, "no schema"},
		{"no usable schema", header(`{"type":"record"}`, Null), 0, 0, 0, "unusable schema"},
		{"records without bytes", header(`{"type":"record","name":"E","fields":[]}`, Null), 0, 0, 0, "have no bytes"},
		{"a codec nobody knows", header(`"string"`, "bzip2"), 0, 0, 0, `"bzip2"; what can be read is null, deflate, snappy and zstandard`},
		{"count only", text + good + "\x02", 2, 3, 2, "cut off"},
		{"half a number", text + good + "\x80", 2, 3, 2, "cut off"},
		{"number without end", text + good + strings.Repeat("\x80", 11), 2, 3, 2, "overflows"},
		{"block cut off", text + good + good[:5], 2, 3, 2, "cut off"},
		{"sync marker cut off", text + good + good[:len(good)-1], 2, 3, 2, "cut off"},
		{"sync marker wrong", text + good + good[:len(good)-1] + "x" + good, 2, 3, 2, "sync marker"},
		{"negative count", text + good + string(file(-1, []byte("\x02a"), mark)), 2, 3, 2, "-1 records"},
		{"negative size", text + good + string(file(1, -1)), 2, 3, 2, "-1 bytes"},
		{"a size of 4 EiB", text + good + string(file(1, 1<<62)), 2, 3, 2, "at most 67108864"},
		{"64 MiB that are not there", text + good + string(file(1, maxBlock, "\x02a")), 2, 3, 2, "cut off"},
		{"2^63-1 records", text + good + string(file(int64(1<<63-1), []byte("\x02a"), mark)), 3, 4, 2, "truncated"},
		{"a record that is cut off", text + good + string(file(2, []byte("\x02a\x04b"), mark)), 3, 4, 2, "truncated: a length of 2, 1 bytes left"},
		{"a record that does not fit", text + good + string(file(3, []byte("\x02a\x02\xff\x02c"), mark)), 3, 4, 2, "not UTF-8"},
		{"more than the records", text + good + string(file(1, []byte("\x02a\x02b"), mark)) + good, 3, 4, 2, "2 bytes follow the last record"},
		{"bytes without records", text + good + string(file(0, []byte("\x02a"), mark)), 2, 3, 2, "2 bytes follow"},
		{"deflate", header(`"string"`, Deflate) + string(file(1, []byte("\xff\xff"), mark)), 0, 1, 1, "decompress"},
		{"deflate cut off", header(`"string"`, Deflate) + string(file(1, deflated("\x02a")[:3], mark)), 0, 1, 1, "decompress"},
		{"snappy", header(`"string"`, "snappy") + string(file(1, []byte("\xff\xff\xff\xff\xff\xff"), mark)), 0, 1, 1, "decompress"},
		{"snappy without checksum", header(`"string"`, "snappy") + string(file(1, []byte("\x00"), mark)), 0, 1, 1, "no checksum"},
		{"snappy, wrong checksum", header(`"string"`, "snappy") + string(file(1, append(snappy.Encode(nil, []byte("\x02a")), 0, 0, 0, 0), mark)), 0, 1, 1, "checksum is wrong"},
		{"zstandard", header(`"string"`, "zstandard") + string(file(1, []byte("\xff\xff"), mark)), 0, 1, 1, "decompress"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var records [][]byte
			var err error
			if most := allocated(func() { records, err = readAll([]byte(c.file)) }); most > 2<<20 {
				t.Errorf("it took %d bytes", most)
			}
			var damage *Error
			if !errors.As(err, &damage) || damage.Record != c.record || damage.Block != c.block || !strings.Contains(err.Error(), c.say) {
				t.Errorf("%v, want record %d, block %d, %q", err, c.record, c.block, c.say)
			}
			if len(records) != c.given {
				t.Errorf("%d records were given, want %d", len(records), c.given)
			}
		})
	}
}

func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func deflated(s string) []byte {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, 9)
	_, _ = io.WriteString(w, s)
	_ = w.Close()
	return b.Bytes()
}

// TestBombs: what is small and becomes large is refused, and the memory it takes is bounded.
func TestBombs(t *testing.T) {
	zeros := make([]byte, maxBlock+1)
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	defer enc.Close()
	half := enc.EncodeAll(zeros[:maxBlock/2+1], nil)
	snapped := snappy.Encode(nil, zeros)
	for name, packed := range map[string][]byte{
		Deflate:     deflated(string(zeros)),
		"snappy":    binary.BigEndian.AppendUint32(snapped, crc32.ChecksumIEEE(zeros)),
		"zstandard": append(bytes.Clone(half), half...), // two frames, each within the limit
	} {
		var err error
		most := allocated(func() { _, err = readAll(append([]byte(header(`"bytes"`, name)), file(1, packed, mark)...)) })
		if !errors.Is(err, errBomb) {
			t.Errorf("%s: %v", name, err)
		}
		if most > 10*maxBlock {
			t.Errorf("%s: it took %d bytes", name, most)
		}
	}
}

// TestCutAnywhere: a file that is cut off gives the records of the blocks that are whole, and says so unless the cut is between two blocks.
func TestCutAnywhere(t *testing.T) {
	records := readings(t, 40)
	for _, name := range []string{Null, Deflate} {
		whole := write(t, name, records, 10)
		boundaries := []int{}
		for n := range len(whole) + 1 {
			got, err := readAll(whole[:n])
			var damage *Error
			switch {
			case !equal(got, records[:len(got)]) || len(got)%10 != 0:
				t.Fatalf("%s, %d bytes: %d records, and not the first", name, n, len(got))
			case err == nil:
				boundaries = append(boundaries, n)
			case !errors.As(err, &damage) || damage.Record > 0 && damage.Record != len(got)+1:
				t.Fatalf("%s, %d bytes: after %d records %v", name, n, len(got), err)
			}
		}
		if len(boundaries) != 5 || boundaries[4] != len(whole) {
			t.Errorf("%s: taken as whole at %v", name, boundaries)
		}
	}
}

// TestEveryByteSpoilt: one wrong byte costs no record of the blocks before it.
func TestEveryByteSpoilt(t *testing.T) {
	records := readings(t, 30)
	whole := write(t, Null, records, 10)
	for at := range whole {
		for _, with := range []byte{0, 0xff, whole[at] ^ 1, whole[at] ^ 0x80} {
			spoilt := slices.Clone(whole)
			spoilt[at] = with
			var got [][]byte
			if most := allocated(func() { got, _ = readAll(spoilt) }); most > 1<<20 {
				t.Fatalf("byte %d as %x: it took %d bytes", at, with, most)
			}
			before := len(wholeBefore(whole, at))
			if len(got) < before || !equal(got[:before], records[:before]) {
				t.Fatalf("byte %d as %x: %d records, %d are before it", at, with, len(got), before)
			}
		}
	}
}

// wholeBefore is the records of the blocks that end before a byte.
func wholeBefore(whole []byte, at int) [][]byte {
	records, _ := readAll(whole[:at])
	return records
}

func TestInputThatFails(t *testing.T) {
	broken := errors.New("broken")
	whole := write(t, Null, readings(t, 20), 10)
	for _, n := range []int{2, 50, len(whole) - 5} {
		r, err := NewReader(io.MultiReader(bytes.NewReader(whole[:n]), iotest.ErrReader(broken)))
		for err == nil {
			_, err = r.Next()
		}
		if !errors.Is(err, broken) {
			t.Errorf("after %d bytes: %v", n, err)
		}
	}
}

func TestLastErrorStays(t *testing.T) {
	r, err := NewReader(strings.NewReader(header(`"string"`, Null) + string(file(2, []byte("\x02a\x04"), mark))))
	if err != nil {
		t.Fatal(err)
	}
	if r.InBlock() {
		t.Error("in a block before the first")
	}
	_, _ = r.Next()
	if !r.InBlock() {
		t.Error("not in the block")
	}
	_, first := r.Next()
	if _, again := r.Next(); first == nil || again != first {
		t.Errorf("%v, then %v", first, again)
	}
	if !errors.Is(first, codec.ErrTruncated) {
		t.Error(first)
	}
}

// FuzzReader: no file makes the reader panic or take memory out of proportion, and what it gives are records of the schema.
func FuzzReader(f *testing.F) {
	for _, name := range []string{Null, Deflate} {
		f.Add(write(f, name, readings(f, 9), 4))
	}
	f.Add(file(header(`"string"`, "snappy"), 1, append(snappy.Encode(nil, []byte("\x02a")), 0, 0, 0, 0), mark))
	f.Add(file(header(`"long"`, "zstandard"), 1, []byte("\x28\xb5\x2f\xfd\x04\x00\x09\x00\x00\x02\x00\x00\x00\x00"), mark))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := NewReader(bytes.NewReader(data))
		for err == nil {
			var record []byte
			if record, err = r.Next(); err == nil {
				if _, err := r.Schema().Decode(record); err != nil {
					t.Fatalf("%x was given: %v", record, err)
				}
			}
		}
	})
}
