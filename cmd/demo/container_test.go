package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/avro"
	twin "github.com/twmb/avro/ocf"

	"github.com/d2e2d648/weir/codec"
	"github.com/d2e2d648/weir/codec/ocf"
	"github.com/d2e2d648/weir/test/rabbit"
	"github.com/d2e2d648/weir/test/rabbit/rabbittest"
)

// orderRecords are encodings of orders, every third with needless bytes in its numbers, which decoding and encoding would lose.
func orderRecords(t *testing.T, n int) [][]byte {
	t.Helper()
	c, err := codec.NewAvroJSON(orderSchema)
	if err != nil {
		t.Fatal(err)
	}
	var records [][]byte
	for line := range strings.Lines(orderLines(n)) {
		record, err := c.Append(nil, json.RawMessage(line))
		if err != nil {
			t.Fatal(err)
		}
		if record[0] < 0x80 && len(records)%3 == 0 {
			record = append([]byte{record[0] | 0x80, 0x80, 0}, record[1:]...)
		}
		records = append(records, record)
	}
	return records
}

func container(t *testing.T, records [][]byte) string {
	t.Helper()
	schema, err := codec.NewAvroBinary(orderSchema)
	if err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	w, err := ocf.NewWriter(&file, schema, ocf.Deflate)
	if err != nil {
		t.Fatal(err)
	}
	for block := range slices.Chunk(records, 700) {
		if err := w.Write(block...); err != nil {
			t.Fatal(err)
		}
	}
	return file.String()
}

// contents are a whole file's records. Another implementation must find as many, and the same schema.
func contents(t *testing.T, file string) [][]byte {
	t.Helper()
	r, err := ocf.NewReader(strings.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	var records [][]byte
	for {
		record, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("after %d records: %v", len(records), err)
		}
		records = append(records, record)
	}
	theirs, err := twin.NewReader(strings.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	schema := avro.MustParse(orderSchema)
	for i := 0; ; i++ {
		var got, want map[string]any
		err := theirs.Decode(&got)
		if err == io.EOF && i == len(records) {
			return records
		}
		if err != nil || i == len(records) {
			t.Fatalf("the other implementation, after %d of %d records: %v", i, len(records), err)
		}
		if _, err := schema.Decode(records[i], &want); err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("the other implementation reads %v, not %v, %v", got, want, err)
		}
	}
}

func saved(t *testing.T, file string) (name string) {
	t.Helper()
	name = filepath.Join(t.TempDir(), "orders.avro")
	if err := os.WriteFile(name, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func mustBeRecords(t *testing.T, got, want [][]byte) {
	t.Helper()
	if !slices.EqualFunc(got, want, bytes.Equal) {
		t.Errorf("%d records, not the %d that there should be", len(got), len(want))
	}
}

func TestContainerComesOutAsItWentIn(t *testing.T) {
	records, schema := orderRecords(t, 3000), schemaFile(t)
	file := container(t, records)
	for _, c := range []struct{ write, read []string }{
		{[]string{"--format", "avro"}, []string{"--count", "3000"}},
		{[]string{"--input", "orders.avro"}, []string{"--idle", "200ms", "--compress", "deflate"}}, // the test gives the input, the name says what it is
		{[]string{"--format", "avro", "--schema", schema}, []string{"--count", "3000", "--compress", "null"}},
	} {
		t.Run(strings.Join(append(c.write, c.read...), " "), func(t *testing.T) {
			t.Chdir(t.TempDir())
			if err := os.WriteFile("orders.avro", nil, 0o600); err != nil {
				t.Fatal(err)
			}
			out := roundTrip(t, file, c.write, append(c.read, "--schema", schema, "--format", "avro"))
			mustBeRecords(t, contents(t, out), records)
			if blocks := strings.Count(out, syncMarker(out)) - 1; blocks > 1000 {
				t.Errorf("%d blocks for 3,000 records that were all there", blocks)
			}
		})
	}
}

func syncMarker(file string) string { return file[len(file)-16:] }

func TestContainerOfAnotherImplementation(t *testing.T) {
	schema, lines := avro.MustParse(orderSchema), orderLines(2000)
	for name, c := range map[string]twin.Codec{"null": nil, "deflate": twin.DeflateCodec(6), "snappy": twin.SnappyCodec(), "zstandard": twin.MustZstdCodec(nil, nil)} {
		var file bytes.Buffer
		w, err := twin.NewWriter(&file, schema, twin.WithCodec(c), twin.WithBlockCount(333))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(lines) {
			var order struct {
				ID    int64    `json:"id" avro:"id"`
				Item  string   `json:"item" avro:"item"`
				Price *float64 `json:"price" avro:"price"`
			}
			if err := errors.Join(json.Unmarshal([]byte(line), &order), w.Encode(&order)); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if out := roundTrip(t, file.String(), []string{"--format", "avro"}, []string{"--count", "2000", "--schema", schemaFile(t)}); out != lines {
			t.Errorf("%s: %d bytes went in, %d came out", name, len(lines), len(out))
		}
	}
}

func TestContainerThroughRabbitMQ(t *testing.T) {
	rabbittest.EachVersion(t, func(t *testing.T, node *rabbit.Node) {
		records, schema := orderRecords(t, 5000), schemaFile(t)
		ends := []string{"demo-container", "--broker", node.URL()}
		if _, said := command(t, exitFine, "", append([]string{"write", "--create", "--input", saved(t, container(t, records))}, ends...)...); said != "5,000 records were confirmed\n" {
			t.Error(said)
		}
		ends = append(ends, "--schema", schema, "--format", "avro")
		first, _ := command(t, exitFine, "", append([]string{"read", "--count", "2345"}, ends...)...)
		rest, _ := command(t, exitFine, "", append([]string{"read", "--count", "2655", "--compress", "deflate"}, ends...)...)
		mustBeRecords(t, append(contents(t, first), contents(t, rest)...), records)
	})
}

func TestDamagedContainerIsWrittenUpToTheDamage(t *testing.T) {
	records := orderRecords(t, 3000)
	whole := container(t, records)
	last := strings.LastIndex(whole[:len(whole)-16], syncMarker(whole)) + 16 // of five blocks, the last with 200 records
	badRecord := container(t, append(slices.Clone(records[:1234]), []byte{2, 4, 0xff, 0xfe, 0}))
	for _, c := range []struct {
		name, file string
		sent       int
		say        string
	}{
		{"cut off", whole[:len(whole)-20], 2800, "standard input: record 2801, in block 5: the file is cut off"},
		{"spoilt", whole[:last+10] + "\xff\xff\xff" + whole[last+13:], 2800, "standard input: record 2801, in block 5: decompress the block: "},
		{"a record that does not fit", badRecord, 1234, "standard input: record 1235, in block 2: field Order.item: invalid: a string that is not UTF-8"},
		{"no records", whole[:600], 0, "standard input: record 1, in block 1: the file is cut off"},
	} {
		t.Run(c.name, func(t *testing.T) {
			rt, stop := onEmbeddedRuntime(t), stopperOf(t)
			_, err := writeOn(t, rt, stop, strings.NewReader(c.file), "--format", "avro")
			var wrong usageError
			if err == nil || errors.As(err, &wrong) {
				t.Fatalf("%v: want an error that is none of usage", err)
			}
			for _, want := range []string{c.say, number(c.sent) + " records were confirmed", fmt.Sprintf("nothing from record %d on was sent", c.sent+1)} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("no %q in: %v", want, err)
				}
			}
			var out bytes.Buffer
			if _, err := readOn(t, rt, stop, &out, "--idle", "100ms", "--format", "avro", "--schema", schemaFile(t)); err != nil {
				t.Fatal(err)
			}
			mustBeRecords(t, contents(t, out.String()), records[:c.sent])
		})
	}
}

func TestContainerThatIsNotTaken(t *testing.T) {
	file := container(t, orderRecords(t, 10))
	other := filepath.Join(t.TempDir(), "other.avsc")
	if err := os.WriteFile(other, []byte(strings.Replace(orderSchema, `"long"`, `"int"`, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		file  string
		args  []string
		usage bool
		say   string
	}{
		{file, []string{"--schema", other}, true, `one has {"name":"id","type":"int"}`},
		{"id,item\n", nil, false, "standard input: no Avro container file"},
		{file[:100], nil, false, "cut off"},
		{strings.Replace(file, "avro.codec\x0edeflate", "avro.codec\x0ebzip2  ", 1), nil, false, "what can be read is"},
		{strings.Replace(file, `"long"`, `"gong"`, 1), nil, false, "unusable schema"},
	} {
		rt, stop := onEmbeddedRuntime(t), stopperOf(t)
		_, err := writeOn(t, rt, stop, strings.NewReader(c.file), append(c.args, "--format", "avro")...)
		var wrong usageError
		if err == nil || !strings.Contains(err.Error(), c.say) || errors.As(err, &wrong) != c.usage {
			t.Errorf("%v, want %q", err, c.say)
		}
	}
	same := filepath.Join(t.TempDir(), "same.avsc")
	annotated := strings.Replace(orderSchema, `"long"`, `{"type":"long","logicalType":"timestamp-millis"},"doc":"when"`, 1)
	if err := os.WriteFile(same, []byte(annotated), 0o600); err != nil {
		t.Fatal(err)
	}
	if said, err := writeOn(t, onEmbeddedRuntime(t), stopperOf(t), strings.NewReader(file), "--format", "avro", "--schema", same); err != nil {
		t.Error(said, err)
	}
}

func TestInterruptedBeforeTheHeader(t *testing.T) {
	in, w := io.Pipe()
	stop := stopperOf(t)
	stop.press()
	if _, err := writeOn(t, onEmbeddedRuntime(t), stop, in, "--format", "avro"); err == nil || !strings.Contains(err.Error(), "nothing was sent") {
		t.Error(err)
	}
	_ = w.Close()
}

func TestContainerIsWholeHoweverItEnds(t *testing.T) {
	records, schema := orderRecords(t, 1000), schemaFile(t)
	avroArgs := []string{"--format", "avro", "--schema", schema}
	write := func(t *testing.T) func(out io.Writer, stop *stopper, args ...string) string {
		rt := onEmbeddedRuntime(t)
		if _, err := writeOn(t, rt, stopperOf(t), strings.NewReader(container(t, records)), "--format", "avro"); err != nil {
			t.Fatal(err)
		}
		return func(out io.Writer, stop *stopper, args ...string) string {
			said, err := readOn(t, rt, stop, out, append(args, avroArgs...)...)
			if err != nil {
				t.Fatal(said, err)
			}
			return said
		}
	}
	t.Run("interrupted", func(t *testing.T) {
		read := write(t)
		first, rest := &pressing{stop: stopperOf(t)}, &bytes.Buffer{}
		read(first, first.stop)
		left := 1000 - len(contents(t, first.String()))
		read(rest, stopperOf(t), "--count", fmt.Sprint(left))
		mustBeRecords(t, append(contents(t, first.String()), contents(t, rest.String())...), records)
	})
	t.Run("output gone", func(t *testing.T) {
		read := write(t)
		first, rest := &full{room: 7000}, &bytes.Buffer{}
		if said := read(first, stopperOf(t)); !strings.Contains(said, "stay in the queue") {
			t.Error(said)
		}
		got := contents(t, first.String())
		read(rest, stopperOf(t), "--count", fmt.Sprint(1000-len(got)))
		mustBeRecords(t, append(got, contents(t, rest.String())...), records)
	})
	t.Run("no room for the header", func(t *testing.T) {
		if said := write(t)(&full{}, stopperOf(t)); !strings.HasPrefix(said, "0 records") {
			t.Error(said)
		}
	})
	t.Run("nothing came", func(t *testing.T) {
		var out bytes.Buffer
		if said, err := readOn(t, onEmbeddedRuntime(t), stopperOf(t), &out, append(avroArgs, "--idle", "50ms")...); err != nil {
			t.Fatal(said, err)
		}
		mustBeRecords(t, contents(t, out.String()), nil)
	})
}

func TestRecordThatIsNoneOfTheContainersSchema(t *testing.T) {
	schema, records := schemaFile(t), orderRecords(t, 20)
	for _, c := range []struct {
		policy string
		fails  bool
	}{{"fail", true}, {"skip", false}, {"dead-letter", false}} {
		rt, stop := onEmbeddedRuntime(t), stopperOf(t)
		for _, in := range []struct {
			text string
			args []string
		}{{container(t, records[:10]), []string{"--format", "avro"}}, {"no avro\n", nil}, {container(t, records[10:]), []string{"--format", "avro"}}} {
			if _, err := writeOn(t, rt, stop, strings.NewReader(in.text), in.args...); err != nil {
				t.Fatal(err)
			}
		}
		var out bytes.Buffer
		_, err := readOn(t, rt, stop, &out, "--format", "avro", "--schema", schema, "--idle", "100ms", "--undecodable", c.policy)
		want := records
		if c.fails {
			want = records[:10]
		}
		if (err != nil) != c.fails || c.fails && !strings.Contains(err.Error(), "a record cannot be read") {
			t.Errorf("%s: %v", c.policy, err)
		}
		mustBeRecords(t, contents(t, out.String()), want)
	}
}

func TestNoContainerGoesToATerminal(t *testing.T) {
	console, out, err := captured("")
	console.outIsTTY = true
	args := []string{"read", "orders", "--broker", "amqp://nobody", "--format", "avro", "--schema", schemaFile(t)}
	if status := run(args, console); status != exitUsage || !strings.Contains(err.String(), "> FILE") || out.String() != "" {
		t.Errorf("status %d: %s%s", status, out, err)
	}
}
