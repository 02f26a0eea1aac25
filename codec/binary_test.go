package codec

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/twmb/avro"
)

func mustBinary(t testing.TB, text string, opts ...Option) *AvroBinary {
	t.Helper()
	c, err := NewAvroBinary(text, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestRecordsAreToldApart: of records one behind the other, Next finds exactly those that Decode takes.
func TestRecordsAreToldApart(t *testing.T) {
	for seed := range uint64(500) {
		g := newGenerator(seed)
		text := g.schema(4)
		c := mustBinary(t, text)
		var bodies [][]byte
		var data []byte
		for range 5 {
			body := g.body(nil, c.schema.root, 5)
			bodies, data = append(bodies, body), append(data, body...)
		}
		for i, body := range bodies {
			n, err := c.Next(data)
			if err != nil || !bytes.Equal(data[:n], body) {
				t.Fatalf("seed %d, schema %s, record %d: %x, %v; want %x", seed, text, i, data[:n], err, body)
			}
			if got, err := c.Decode(data[:n]); err != nil || !bytes.Equal(got, body) {
				t.Fatalf("seed %d, schema %s: decoded %x, %v", seed, text, got, err)
			}
			if got, err := c.Append([]byte("x"), data[:n]); err != nil || string(got) != "x"+string(body) {
				t.Fatalf("seed %d, schema %s: appended %x, %v", seed, text, got, err)
			}
			data = data[n:]
		}
		if spoilt := g.mutate(bodies[0]); true {
			_, all := c.Decode(spoilt)
			if n, err := c.Next(spoilt); (err == nil && n == len(spoilt)) != (all == nil) {
				t.Fatalf("seed %d, schema %s, %x: Next says %d, %v, Decode %v", seed, text, spoilt, n, err, all)
			}
		}
	}
}

func TestRecordThatOnlyTheLimitCutsOffIsTooLarge(t *testing.T) {
	c := mustBinary(t, `"string"`, WithLimits(Limits{MaxBody: 4}))
	if n, err := c.Next([]byte("\x06abcmore")); n != 4 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if _, err := c.Next([]byte("\x08abcdmore")); !errors.Is(err, ErrTooLarge) {
		t.Errorf("%v, want ErrTooLarge", err)
	}
	if _, err := c.Next([]byte("\x08abc")); !errors.Is(err, ErrTruncated) {
		t.Errorf("%v, want ErrTruncated", err)
	}
	if got, err := c.Append([]byte("x"), []byte("\x06ab")); !errors.Is(err, ErrTruncated) || string(got) != "x" {
		t.Errorf("%s, %v", got, err)
	}
}

func TestCanonicalFormAgainstOracle(t *testing.T) {
	texts := []string{"long", `{"type":"record","name":"R","namespace":"a.b","aliases":["Q"],"doc":"d","fields":[
		{"name":"f","type":{"type":"fixed","name":"F","size":12,"logicalType":"duration"},"doc":"x"},
		{"name":"g","type":["null","F","R",{"type":"enum","name":"c.E","symbols":["A"],"default":"A"}],"default":null},
		{"name":"h","type":{"type":"int","logicalType":"date","extra":[1]},"order":"ignore"},{"name":"i","type":"c.E"}]}`}
	for seed := range uint64(1000) {
		texts = append(texts, newGenerator(seed).schema(4))
	}
	for _, text := range texts {
		c := mustBinary(t, text)
		oracle, err := avro.Parse(c.Schema())
		if err != nil {
			t.Fatal(err)
		}
		if got, want := c.Canonical(), string(oracle.Canonical()); got != want {
			t.Fatalf("%s:\n ours   %s\n theirs %s", text, got, want)
		}
	}
}

func TestSchemaKeepsAllItHad(t *testing.T) {
	c := mustBinary(t, "{ \"type\": \"record\", \"name\": \"R\",\n \"doc\": \"a  b\", \"x\": 1.50, \"fields\": [] }")
	if got, want := c.Schema(), `{"type":"record","name":"R","doc":"a  b","x":1.50,"fields":[]}`; got != want || !c.CanBeEmpty() {
		t.Errorf("%s", got)
	}
	if got := mustBinary(t, "long").Schema(); got != `"long"` {
		t.Errorf("%s", got)
	}
	if _, err := NewAvroBinary(`{"type":"record"}`); !errors.Is(err, ErrSchema) || !strings.Contains(err.Error(), "schema") {
		t.Error(err)
	}
}
