package ocf

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/d2e2d648/weir/codec"
)

// Reader gives the records of a container file. Not safe for concurrent use.
type Reader struct {
	in         *bufio.Reader
	schema     *codec.AvroBinary
	decompress func([]byte) ([]byte, error)
	sync       [16]byte

	data    []byte // what is left of the block
	left    int64  // how many records it still has to have
	records int    // given so far
	blocks  int    // begun so far
	err     error
}

// NewReader reads a file's header, and waits for it. The codec is null, deflate, snappy or zstandard. An error is an
// *Error.
func NewReader(in io.Reader, opts ...codec.Option) (*Reader, error) {
	r := &Reader{in: bufio.NewReaderSize(in, 64<<10)}
	if err := r.header(opts); err != nil {
		return nil, &Error{Err: err}
	}
	return r, nil
}

func (r *Reader) header(opts []codec.Option) error {
	start, err := readBytes(r.in, len(magic))
	if string(start) != magic {
		if err != nil && !errors.Is(err, errCutOff) {
			return fmt.Errorf("read the header: %w", err)
		}
		return errors.New(`no Avro container file: it does not begin with "Obj" and 1`)
	}
	meta, err := readMeta(r.in)
	if err != nil {
		return fmt.Errorf("read the header: %w", err)
	}
	if _, err := io.ReadFull(r.in, r.sync[:]); err != nil {
		return fmt.Errorf("read the header: %w", cut(err))
	}
	text, ok := meta[keySchema]
	if !ok {
		return errors.New("the header has no schema")
	}
	if r.schema, err = codec.NewAvroBinary(string(text), opts...); err != nil {
		return fmt.Errorf("the file's schema: %w", err)
	}
	if err := Usable(r.schema); err != nil {
		return fmt.Errorf("the file's schema: %w", err)
	}
	r.decompress, err = decompressor(string(meta[keyCodec]))
	return err
}

// Schema is the file's own.
func (r *Reader) Schema() *codec.AvroBinary { return r.schema }

// InBlock says whether the next record, or what is wrong with it, is there without waiting for input.
func (r *Reader) InBlock() bool { return r.left > 0 || r.err != nil }

// Next gives the next record, which is the caller's. At the end of the file it gives io.EOF. Another error is an *Error,
// and the last that comes: all records before the one that it names were given, and of a block that is not whole none.
func (r *Reader) Next() ([]byte, error) {
	for r.err == nil && r.left == 0 {
		r.err = r.nextBlock()
	}
	if r.err != nil {
		return nil, r.err
	}
	n, err := r.schema.Next(r.data)
	if err != nil {
		return nil, r.fail(err)
	}
	record := r.data[:n:n]
	r.data = r.data[n:]
	r.records++
	if r.left--; r.left == 0 && len(r.data) > 0 {
		r.err = r.surplus()
	}
	return record, nil
}

func (r *Reader) fail(err error) error {
	r.err = &Error{Record: r.records + 1, Block: r.blocks, Err: err}
	return r.err
}

func (r *Reader) surplus() error {
	return r.fail(fmt.Errorf("%d bytes follow the last record of the block", len(r.data)))
}

// nextBlock reads a block into memory.
func (r *Reader) nextBlock() error {
	count, err := binary.ReadVarint(r.in)
	if err == io.EOF { //nolint:errorlint // only as it is does it mean that nothing has begun
		return err
	}
	r.blocks++
	if err != nil {
		return r.fail(cut(err))
	}
	if err := r.body(count); err != nil {
		return r.fail(err)
	}
	if r.left = count; count == 0 && len(r.data) > 0 {
		return r.surplus()
	}
	return nil
}

func (r *Reader) body(count int64) error {
	size, err := binary.ReadVarint(r.in)
	if err != nil {
		return cut(err)
	}
	if count < 0 || size < 0 || size > maxBlock {
		return fmt.Errorf("the block says it has %d records in %d bytes (at most %d are read)", count, size, maxBlock)
	}
	data, err := readBytes(r.in, int(size))
	if err != nil {
		return err
	}
	var sync [16]byte
	if _, err := io.ReadFull(r.in, sync[:]); err != nil {
		return cut(err)
	}
	if sync != r.sync {
		return errors.New("the block does not end with the file's sync marker")
	}
	if r.data, err = r.decompress(data); err != nil {
		return fmt.Errorf("decompress the block: %w", err)
	}
	return nil
}

// readMeta reads the metadata, and keeps what means something here.
func readMeta(in *bufio.Reader) (map[string][]byte, error) {
	meta := map[string][]byte{}
	left := int64(maxHeader)
	length := func() (int, error) {
		n, err := binary.ReadVarint(in)
		if err != nil {
			return 0, cut(err)
		}
		if left--; n < 0 || n > left {
			return 0, fmt.Errorf("a length of %d; at most %d bytes of metadata are read", n, maxHeader)
		}
		left -= n
		return int(n), nil
	}
	for {
		count, err := binary.ReadVarint(in)
		if err != nil {
			return nil, cut(err)
		}
		if count == 0 {
			return meta, nil
		}
		if count < 0 { // and so the block's size follows
			if _, err := binary.ReadVarint(in); err != nil {
				return nil, cut(err)
			}
			count = -count
		}
		for ; count != 0; count-- { // each takes something off what is left
			if err := readEntry(in, meta, length); err != nil {
				return nil, err
			}
		}
	}
}

func readEntry(in *bufio.Reader, meta map[string][]byte, length func() (int, error)) error {
	n, err := length()
	if err != nil {
		return err
	}
	key, err := readBytes(in, n)
	if err != nil {
		return err
	}
	if n, err = length(); err != nil {
		return err
	}
	if k := string(key); k == keySchema || k == keyCodec {
		meta[k], err = readBytes(in, n)
		return err
	}
	_, err = in.Discard(n)
	return cut(err)
}

// readBytes reads so many bytes. Memory grows with what comes, not with what is claimed.
func readBytes(in io.Reader, n int) ([]byte, error) {
	var b bytes.Buffer
	b.Grow(min(n, 64<<10))
	_, err := io.CopyN(&b, in, int64(n))
	return b.Bytes(), cut(err)
}

var errCutOff = errors.New("the file is cut off")

// cut: inside of something, the end of the input comes too early.
func cut(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errCutOff
	}
	return err
}
