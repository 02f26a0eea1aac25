package codec

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
)

// TestTypesThatAnInterfaceHoldsDirectly: the library's encoder wants such a value itself, of others the address.
func TestTypesThatAnInterfaceHoldsDirectly(t *testing.T) {
	type inner struct {
		S *string `avro:"s"`
	}
	type outer struct {
		I inner `avro:"i"`
	}
	type padded struct {
		_ struct{}
		S *string `avro:"s"`
	}
	type mapped struct {
		M map[string]int64 `avro:"m"`
	}
	const text = `{"name":"s","type":["null","string"]}`
	record := func(field string) string { return `{"type":"record","name":"R","fields":[` + field + `]}` }
	s := "text"
	sameAgain(t, record(text), inner{&s})
	sameAgain(t, record(text), inner{})
	sameAgain(t, record(text), &inner{&s})
	sameAgain(t, record(text), padded{S: &s})
	sameAgain(t, record(`{"name":"i","type":`+strings.Replace(record(text), `"R"`, `"I"`, 1)+`}`), outer{inner{&s}})
	sameAgain(t, record(`{"name":"m","type":{"type":"map","values":"long"}}`), mapped{map[string]int64{"a": 1}})
	sameAgain(t, `["null","string"]`, &s)
	sameAgain(t, `["null","string"]`, (*string)(nil))
	sameAgain(t, `{"type":"map","values":"string"}`, map[string]string{"k": "v"})
	sameAgain(t, `"string"`, s)
	sameAgain(t, `"long"`, int64(-7))
	sameAgain(t, `{"type":"array","items":"long"}`, []int64{1, 2})
	sameAgain(t, `{"type":"fixed","name":"F","size":1}`, [1]byte{9})
	sameAgain[any](t, `"string"`, s)
	sameAgain[any](t, `["null","string"]`, nil)
	sameAgain(t, record(text), map[string]any{"s": "text"})
}

// sameAgain: what is encoded is what the library's Marshal makes of it, and is decoded as it was. A struct is handed to it by
// its address: since Go 1.26 an interface holds a pointer with nothing but empty fields around it directly, and it crashes.
func sameAgain[T any](t *testing.T, schema string, want T) {
	t.Helper()
	c, err := NewAvro[T](schema)
	if err != nil {
		t.Fatal(err)
	}
	v := any(want)
	if v != nil && reflect.TypeOf(v).Kind() == reflect.Struct {
		v = &want
	}
	theirs, err := newAPI(limitsOf(nil)).Marshal(c.schema.avro, v)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time with what the first has left
		body, err := c.Append([]byte("x"), want)
		if err != nil || string(body) != "x"+string(theirs) {
			t.Fatalf("%T: %x, %v; want %x", want, body, err, theirs)
		}
		if got, err := c.Decode(theirs); err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%T: %v, %v; want %v", want, got, err, want)
		}
	}
}

// TestNothingIsLeftBehind: a call that fails, or panics, leaves nothing to the next one; nor does one that does not.
func TestNothingIsLeftBehind(t *testing.T) {
	type rec struct {
		E string  `avro:"e"`
		S *string `avro:"s"`
		L []int64 `avro:"l"`
	}
	c, err := NewAvro[rec](`{"type":"record","name":"R","fields":[{"name":"e","type":{"type":"enum","name":"E","symbols":["A"]}},
		{"name":"s","type":["null","string"]},{"name":"l","type":{"type":"array","items":"long"}}]}`)
	if err != nil {
		t.Fatal(err)
	}
	s := "s"
	first, err := c.Append(nil, rec{"A", &s, []int64{1, 2, 3}})
	if err != nil {
		t.Fatal(err)
	}
	kept, full := bytes.Clone(first), rec{"A", &s, []int64{1, 2, 3}}
	for range 3 {
		if _, err := c.Append(nil, rec{"no symbol", &s, nil}); !errors.Is(err, ErrMismatch) {
			t.Fatal(err)
		}
		bad := "\xff"
		if _, err := c.Append(nil, rec{"A", &bad, nil}); !errors.Is(err, ErrInvalid) {
			t.Fatal(err)
		}
		if _, err := c.Decode(first[:2]); !errors.Is(err, ErrTruncated) {
			t.Fatal(err)
		}
		if got, err := c.Decode(first); err != nil || !reflect.DeepEqual(got, full) {
			t.Fatalf("%+v, %v", got, err)
		}
		body, err := c.Append(nil, rec{E: "A"})
		if err != nil || string(body) != "\x00\x00\x00" {
			t.Fatalf("%x, %v", body, err)
		}
		if got, err := c.Decode(body); err != nil || got.S != nil || len(got.L) != 0 {
			t.Fatalf("%+v, %v", got, err)
		}
	}
	if !bytes.Equal(first, kept) {
		t.Error("a body changed with a later one")
	}
}

// keeper keeps the address of what it has filled, and of what it was asked about.
type keeper struct{ text string }

var kept []*keeper

func (k *keeper) UnmarshalText(b []byte) error {
	if string(b) == "refused" {
		return errors.New("a text method")
	}
	k.text = string(b)
	kept = append(kept, k)
	return nil
}

func (k keeper) MarshalText() ([]byte, error) {
	if k.text == "panic" {
		panic("a text method")
	}
	return []byte(k.text), nil
}

// TestTextMethodsMayKeepWhatTheyFill: so that is not memory which is filled again.
func TestTextMethodsMayKeepWhatTheyFill(t *testing.T) {
	type rec struct {
		K keeper `avro:"k"`
	}
	c, err := NewAvro[rec](`{"type":"record","name":"R","fields":[{"name":"k","type":"string"}]}`)
	if err != nil {
		t.Fatal(err)
	}
	kept = nil
	for i := range 3 {
		text := fmt.Sprint("text ", i)
		body, err := c.Append(nil, rec{keeper{text}})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := c.Decode(body); err != nil || got.K.text != text {
			t.Fatalf("%v, %v", got, err)
		}
		if _, err := c.Append(nil, rec{keeper{"panic"}}); !errors.Is(err, ErrMismatch) {
			t.Fatal(err)
		}
		if _, err := c.Decode([]byte("\x0erefused")); !errors.Is(err, ErrInvalid) {
			t.Fatal(err)
		}
	}
	for i, k := range kept {
		if k.text != fmt.Sprint("text ", i) {
			t.Errorf("what was filled for record %d is now %q", i, k.text)
		}
	}
}

// TestCodecsAreShared: many goroutines use one codec, and none sees another's value.
func TestCodecsAreShared(t *testing.T) {
	c, err := NewAvro[benchOrder](benchSchema)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for g := range 8 {
		all.Go(func() {
			for i := range 300 {
				want := sampleOrder()
				want.ID, want.Customer = int64(g), strings.Repeat("c", g*i%50)
				body, err := c.Append(nil, want)
				if err != nil {
					t.Error(err)
					return
				}
				if got, err := c.Decode(body); err != nil || !reflect.DeepEqual(got, want) {
					t.Errorf("%+v, %v; want %+v", got, err, want)
					return
				}
			}
		})
	}
	all.Wait()
}

// TestCoderThatCannotBeMade: the library panics while it makes the encoder of a struct that lacks a field with a null
// default and several branches more. Each Append says so, and decoding works.
func TestCoderThatCannotBeMade(t *testing.T) {
	type rec struct {
		A int32 `avro:"a"`
	}
	c, err := NewAvro[rec](`{"type":"record","name":"R","fields":[{"name":"a","type":"int"},
		{"name":"b","type":["null","int","string"],"default":null}]}`)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if body, err := c.Append([]byte("x"), rec{1}); !errors.Is(err, ErrMismatch) || string(body) != "x" {
			t.Errorf("%q, %v", body, err)
		}
		if got, err := c.Decode(varints(7, 0)); err != nil || got.A != 7 {
			t.Errorf("%v, %v", got, err)
		}
	}
}
