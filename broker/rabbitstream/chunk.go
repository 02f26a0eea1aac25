package rabbitstream

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4"

	"github.com/d2e2d648/weir/broker"
)

const (
	// chunkHead is what is before a chunk's entries: the subscription and osiris' header.
	chunkHead  = 1 + 48
	chunkMagic = 0x50 // its first byte, which says the version, too
)

// severalRecords marks an entry of several records.
const severalRecords = 0x80

// Ways to compress the records of an entry.
const (
	packedNot uint8 = iota
	packedGzip
	packedSnappy
	packedLZ4
	packedZstd
)

// chunk is the head of one, whose records have the offsets from first to before end.
type chunk struct {
	first, end     uint64
	checksum, size uint32 // of its entries
}

// chunk takes the head of one.
func (f *fields) chunk() (c chunk, err error) {
	magic, kind := f.u8(), f.u8()
	f.u16() // entries
	n := f.u32()
	f.u64() // time
	f.u64() // epoch
	c.first = f.u64()
	c.end = c.first + uint64(n)
	c.checksum, c.size = f.u32(), f.u32()
	f.u64() // of what does not come with it
	if f.short || magic != chunkMagic || kind != 0 {
		err = fmt.Errorf("%w: a chunk that begins with %#x and is of type %d", errFrame, magic, kind)
	}
	return c, err
}

// unpack gives the records from an offset on. Their bodies are the frame's bytes. Each entry is a record, or several, which may be compressed.
func (c *chunk) unpack(f *fields, from uint64, properties bool) ([]broker.Record, error) {
	rest := f.take(int(c.size))
	switch {
	case f.short:
		return nil, fmt.Errorf("%w: a chunk of %d bytes that has fewer", errFrame, c.size)
	case crc32.ChecksumIEEE(rest) != c.checksum:
		return nil, fmt.Errorf("%w: the checksum of the chunk at offset %d is wrong", errFrame, c.first)
	}
	u := unpacking{next: c.first, from: from, properties: properties}
	if c.end > from { // records that are compressed may have less than a byte each
		u.records = make([]broker.Record, 0, min(c.end-max(c.first, from), uint64(len(rest))))
	}
	for len(rest) > 0 {
		var err error
		if rest[0]&severalRecords == 0 {
			rest, err = u.one(rest)
		} else {
			rest, err = u.several(rest)
		}
		if err != nil {
			return nil, fmt.Errorf("offset %d: %w", u.next, err)
		}
	}
	if u.next != c.end {
		return nil, fmt.Errorf("%w: a chunk ends before offset %d and says %d", errFrame, u.next, c.end)
	}
	return u.records, nil
}

// unpacking is a chunk that is being unpacked.
type unpacking struct {
	records    []broker.Record
	next, from uint64
	properties bool
}

// one takes one record, and gives what is behind it.
func (u *unpacking) one(b []byte) (rest []byte, err error) {
	if len(b) < 4 {
		return nil, errFrame
	}
	n := int(binary.BigEndian.Uint32(b))
	b = b[4:]
	if n > len(b) {
		return nil, errFrame
	}
	if u.next >= u.from {
		r := broker.Record{Offset: u.next}
		r.Body, r.Properties = decode(b[:n:n], u.properties)
		u.records = append(u.records, r)
	}
	u.next++
	return b[n:], nil
}

// several takes an entry of several.
func (u *unpacking) several(b []byte) (rest []byte, err error) {
	f := fields{b: b}
	packed := f.u8() >> 4 & 7
	count, plainSize := f.u16(), f.u32()
	content := f.take(int(f.u32()))
	if f.short {
		return nil, errFrame
	}
	if packed != packedNot {
		if content, err = unpacked(packed, content, int(plainSize)); err != nil {
			return nil, err
		}
	}
	for range count {
		if content, err = u.one(content); err != nil {
			return nil, err
		}
	}
	return f.b, nil
}

// unpacked gives what was compressed, which must have the size that is said of it.
func unpacked(how uint8, content []byte, size int) (plain []byte, err error) {
	packed := bytes.NewReader(content)
	var from io.Reader
	switch how {
	case packedGzip:
		from, err = gzip.NewReader(packed)
	case packedSnappy:
		from = snappy.NewReader(packed)
	case packedLZ4:
		from = lz4.NewReader(packed)
	case packedZstd:
		var d *zstd.Decoder
		if d, err = zstd.NewReader(packed, zstd.WithDecoderConcurrency(1)); err == nil {
			defer d.Close()
		}
		from = d
	default:
		err = fmt.Errorf("compressed in a way %d that is not known", how)
	}
	if err == nil {
		plain, err = io.ReadAll(io.LimitReader(from, int64(size)+1))
	}
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: compressed records: %w", errFrame, err)
	case len(plain) != size:
		return nil, fmt.Errorf("%w: compressed records have %d bytes at least and say %d", errFrame, len(plain), size)
	}
	return plain, nil
}
