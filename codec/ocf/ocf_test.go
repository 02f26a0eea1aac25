package ocf

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/avro"
	twin "github.com/twmb/avro/ocf"

	"github.com/d2e2d648/weir/codec"
)

const readingSchema = `{"type":"record","name":"Reading","namespace":"test","doc":"one reading","fields":[{"name":"id","type":"long"},` +
	`{"name":"tags","type":{"type":"map","values":"string"},"default":{}},{"name":"value","type":["null","double"]}]}`

func schemaOf(t testing.TB, text string) *codec.AvroBinary {
	t.Helper()
	s, err := codec.NewAvroBinary(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// readings are encodings made by another implementation, some of which cannot be told by their values: maps in two blocks, numbers with needless bytes.
func readings(t testing.TB, n int) [][]byte {
	t.Helper()
	schema, records := avro.MustParse(readingSchema), make([][]byte, n)
	for i := range records {
		switch i % 3 {
		case 0:
			records[i] = append(binary.AppendVarint(nil, int64(i)), "\x02\x02a\x02b\x01\x0a\x02c\x04de\x00\x00"...)
		case 1:
			records[i] = append([]byte{byte(i%64*2) | 0x80, 0x80, 0}, 0, 0)
		default:
			var err error
			if records[i], err = schema.Encode(map[string]any{"id": int64(i), "tags": map[string]any{"k": strings.Repeat("v", i%100)}, "value": 0.5}); err != nil {
				t.Fatal(err)
			}
		}
	}
	return records
}

// readAll gives a file's records and how it ends.
func readAll(file []byte) (records [][]byte, err error) {
	r, err := NewReader(bytes.NewReader(file))
	for err == nil {
		var record []byte
		if record, err = r.Next(); err == nil {
			records = append(records, record)
		}
	}
	if err == io.EOF {
		err = nil
	}
	return records, err
}

func equal(a, b [][]byte) bool { return slices.EqualFunc(a, b, bytes.Equal) }

func write(t testing.TB, name string, records [][]byte, perCall int) []byte {
	t.Helper()
	var file bytes.Buffer
	w, err := NewWriter(&file, schemaOf(t, readingSchema), name)
	if err != nil {
		t.Fatal(err)
	}
	for call := range slices.Chunk(records, perCall) {
		if err := w.Write(call...); err != nil {
			t.Fatal(err)
		}
	}
	return file.Bytes()
}

// theirs is a file by another implementation, whose encoder is given the records' bytes.
func theirs(t testing.TB, records [][]byte, opts ...twin.WriterOpt) []byte {
	t.Helper()
	var file bytes.Buffer
	schema := avro.MustParse(readingSchema)
	w, err := twin.NewWriter(&file, schema, opts...)
	if err != nil {
		t.Fatal(err)
	}
	for _, record := range records {
		var v any
		if _, err := schema.Decode(record, &v, avro.TaggedUnions()); err != nil {
			t.Fatal(err)
		}
		if err := w.Encode(v); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

func TestFilesOfAnotherImplementation(t *testing.T) {
	var records [][]byte
	for i, record := range readings(t, 3000) {
		if i%3 == 2 { // what it would encode in the same way
			records = append(records, record)
		}
	}
	for name, c := range map[string]twin.Codec{"null": nil, "deflate": twin.DeflateCodec(9), "snappy": twin.SnappyCodec(), "zstandard": twin.MustZstdCodec(nil, nil)} {
		file := theirs(t, records, twin.WithCodec(c), twin.WithBlockCount(77), twin.WithMetadata(map[string][]byte{"other": []byte("x")}))
		if got, err := readAll(file); err != nil || !equal(got, records) {
			t.Errorf("%s: %d records of %d, %v", name, len(got), len(records), err)
		}
	}
}

func TestAnotherImplementationReadsOurFiles(t *testing.T) {
	records := readings(t, 3000)
	schema := avro.MustParse(readingSchema)
	for _, name := range []string{Null, Deflate} {
		file := write(t, name, records, 250)
		if got, err := readAll(file); err != nil || !equal(got, records) {
			t.Errorf("%s: we read %d records of %d, %v", name, len(got), len(records), err)
		}
		r, err := twin.NewReader(bytes.NewReader(file))
		if err != nil {
			t.Fatal(err)
		}
		if got := string(r.Metadata()["avro.schema"]); got != readingSchema {
			t.Errorf("%s: the schema is %s", name, got)
		}
		for i, record := range records {
			var got, want map[string]any
			if _, err := schema.Decode(record, &want); err != nil {
				t.Fatal(err)
			}
			if err := r.Decode(&got); err != nil || !same(got, want) {
				t.Fatalf("%s, record %d: %v, %v; want %v", name, i, got, err, want)
			}
		}
		if err := r.Decode(new(any)); err != io.EOF {
			t.Errorf("%s: %v behind the last record", name, err)
		}
	}
}

func same(a, b map[string]any) bool {
	ta, tb := a["tags"].(map[string]any), b["tags"].(map[string]any)
	for k := range tb {
		if ta[k] != tb[k] {
			return false
		}
	}
	return len(ta) == len(tb) && a["id"] == b["id"] && a["value"] == b["value"]
}

func TestFileWithoutRecordsIsAFile(t *testing.T) {
	file := write(t, Deflate, nil, 1)
	if got, err := readAll(file); err != nil || got != nil {
		t.Errorf("%d records, %v", len(got), err)
	}
	r, err := twin.NewReader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Decode(new(any)); err != io.EOF {
		t.Error(err)
	}
}

// counting is an output that counts its writes.
type counting struct{ sizes []int }

func (c *counting) Write(p []byte) (int, error) {
	c.sizes = append(c.sizes, len(p))
	return len(p), nil
}

func TestBlocksAreBounded(t *testing.T) {
	out := &counting{}
	w, err := NewWriter(out, schemaOf(t, `"bytes"`), Null)
	if err != nil {
		t.Fatal(err)
	}
	record := func(n int) []byte { return append(binary.AppendVarint(nil, int64(n)), make([]byte, n)...) }
	if err := w.Write(record(100), record(blockBytes), record(30_000), record(30_000), record(30_000)); err != nil {
		t.Fatal(err)
	}
	if len(out.sizes) != 5 { // header, 100, 64 Ki, 2×30,000, 30,000
		t.Errorf("writes of %v bytes", out.sizes)
	}
	if _, err := NewWriter(out, schemaOf(t, `"bytes"`), "snappy"); err == nil {
		t.Error("a codec that is only read was taken")
	}
	if _, err := NewWriter(out, schemaOf(t, `"null"`), Null); !errors.Is(err, errEmpty) {
		t.Error(err)
	}
}
