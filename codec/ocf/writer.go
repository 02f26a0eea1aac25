package ocf

import (
	"bytes"
	"compress/flate"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/d2e2d648/weir/codec"
)

// blockBytes is how many bytes of records make a block full; other implementations have this default, too.
const blockBytes = 64 << 10

// Writer makes a container file. After each call that had no error, the file is complete. Not safe for concurrent use.
type Writer struct {
	out     io.Writer
	sync    [16]byte
	deflate *flate.Writer // nil: not compressed
	packed  bytes.Buffer  // a block's records, compressed
	block   []byte        // a block as it goes out
}

// NewWriter writes the header of a file that has the schema with all its attributes. The codec is Null or Deflate.
func NewWriter(out io.Writer, schema *codec.AvroBinary, codecName string) (*Writer, error) {
	if err := Usable(schema); err != nil {
		return nil, err
	}
	w := &Writer{out: out}
	switch codecName {
	case Null:
	case Deflate:
		w.deflate, _ = flate.NewWriter(nil, flate.DefaultCompression) // the level is right
	default:
		return nil, fmt.Errorf("container files are not written with the codec %q", codecName)
	}
	_, _ = rand.Read(w.sync[:]) // it never fails
	header := binary.AppendVarint([]byte(magic), 2)
	for _, s := range []string{keySchema, schema.Schema(), keyCodec, codecName} {
		header = append(binary.AppendVarint(header, int64(len(s))), s...)
	}
	_, err := out.Write(append(append(header, 0), w.sync[:]...))
	return w, err
}

// Write writes records, which must be encodings of the schema, in as many blocks as they need. Each block goes out in one
// call, so a file is whole unless a write is cut off.
func (w *Writer) Write(records ...[]byte) error {
	for len(records) > 0 {
		n, size := 0, 0
		for n < len(records) && (n == 0 || size+len(records[n]) <= blockBytes) {
			size += len(records[n])
			n++
		}
		if err := w.writeBlock(records[:n], size); err != nil {
			return err
		}
		records = records[n:]
	}
	return nil
}

func (w *Writer) writeBlock(records [][]byte, size int) error {
	b := binary.AppendVarint(w.block[:0], int64(len(records)))
	if w.deflate == nil {
		b = binary.AppendVarint(b, int64(size))
		for _, record := range records {
			b = append(b, record...)
		}
	} else {
		if err := w.pack(records); err != nil {
			return err
		}
		b = append(binary.AppendVarint(b, int64(w.packed.Len())), w.packed.Bytes()...)
	}
	w.block = append(b, w.sync[:]...)
	_, err := w.out.Write(w.block)
	return err
}

func (w *Writer) pack(records [][]byte) error {
	w.packed.Reset()
	w.deflate.Reset(&w.packed)
	for _, record := range records {
		if _, err := w.deflate.Write(record); err != nil {
			return err
		}
	}
	return w.deflate.Close()
}
