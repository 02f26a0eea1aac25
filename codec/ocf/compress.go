package ocf

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
)

// The codecs, by their names in the metadata.
const (
	Null      = "null"
	Deflate   = "deflate"
	snappyID  = "snappy"
	zstandard = "zstandard"
)

var errBomb = fmt.Errorf("it has more than %d bytes when it is decompressed, the most that are read", maxBlock)

// decompressor gives what undoes a codec, within maxBlock.
func decompressor(name string) (func([]byte) ([]byte, error), error) {
	switch name {
	case Null, "":
		return func(b []byte) ([]byte, error) { return b, nil }, nil
	case Deflate:
		return inflate, nil
	case snappyID:
		return unsnap, nil
	case zstandard:
		return newUnzstd()
	}
	return nil, fmt.Errorf("the file is compressed with %.40q; what can be read is null, deflate, snappy and zstandard", name)
}

func inflate(b []byte) ([]byte, error) {
	out, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(b)), maxBlock+1))
	if err == nil && len(out) > maxBlock {
		err = errBomb
	}
	return out, err
}

// unsnap undoes snappy, which is followed by a checksum of what it was made of.
func unsnap(b []byte) ([]byte, error) {
	if len(b) < 4 {
		return nil, errors.New("no checksum")
	}
	b, sum := b[:len(b)-4], b[len(b)-4:]
	if n, err := snappy.DecodedLen(b); err == nil && n > maxBlock { // Decode makes room for what is claimed
		return nil, errBomb
	}
	out, err := snappy.Decode(nil, b)
	if err == nil && crc32.ChecksumIEEE(out) != binary.BigEndian.Uint32(sum) {
		err = errors.New("the checksum is wrong")
	}
	return out, err
}

// newUnzstd makes a decoder that has no goroutine, so it need not be closed.
func newUnzstd() (func([]byte) ([]byte, error), error) {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxBlock))
	if err != nil {
		return nil, err
	}
	return func(b []byte) ([]byte, error) {
		out, err := d.DecodeAll(b, nil)
		if errors.Is(err, zstd.ErrDecoderSizeExceeded) || errors.Is(err, zstd.ErrWindowSizeExceeded) || len(out) > maxBlock {
			err = errBomb
		}
		return out, err
	}, nil
}
