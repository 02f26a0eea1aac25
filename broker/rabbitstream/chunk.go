package rabbitstream

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
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

// What compressed entries of a chunk may become in all, or as many times its size, and what a record counts beside its bytes. A publisher can make of a few bytes as many as it likes.
const (
	maxPlain      = 64 << 20
	maxPlainTimes = 16
	recordCost    = 64
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
	u := unpacking{next: c.first, from: from, properties: properties, left: max(maxPlain, maxPlainTimes*int64(len(rest)))}
	if c.end > from { // records have at least 4 bytes each, but compressed ones
		u.records = make([]broker.Record, 0, min(c.end-max(c.first, from), uint64(len(rest)/4)))
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
	left       int64 // what compressed entries may still become
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

// several takes an entry of several. What is inside is its publisher's word alone, which the broker does not look at: what of it cannot be read is handed over all the same.
func (u *unpacking) several(b []byte) (rest []byte, err error) {
	f := fields{b: b}
	packed := f.u8() >> 4 & 7
	count, size := int(f.u16()), f.u32()
	content := f.take(int(f.u32()))
	if f.short {
		return nil, errFrame
	}
	if packed != packedNot {
		plain, ok := u.unpacked(packed, content, size, count)
		if !ok {
			u.unread(content, count)
			return f.b, nil
		}
		content = plain
	}
	for ; count > 0; count-- {
		behind, err := u.one(content)
		if err != nil {
			u.unread(content, count)
			break
		}
		content = behind
	}
	return f.b, nil
}

// unread has one record for the n that cannot be read, at the last of their offsets, so that who has it has them all.
func (u *unpacking) unread(content []byte, n int) {
	u.next += uint64(n)
	if n > 0 && u.next > u.from {
		u.records = append(u.records, broker.Record{Offset: u.next - 1, Body: content[:len(content):len(content)]})
	}
}

// unpacked gives what was compressed, if the chunk may still become so much, and it has the size that is said of it.
func (u *unpacking) unpacked(how uint8, content []byte, size uint32, count int) (plain []byte, ok bool) {
	cost := int64(size) + int64(count)*recordCost
	if cost > u.left {
		return nil, false
	}
	u.left -= cost
	plain = make([]byte, size)
	packed := bytes.NewReader(content)
	var from io.Reader
	var err error
	switch how {
	case packedGzip:
		from, err = gzip.NewReader(packed)
	case packedSnappy:
		from = snappy.NewReader(packed)
	case packedLZ4:
		from = lz4.NewReader(packed)
	case packedZstd: // a stream would have a window as large as it says
		plain, err = unpackedZstd(content, plain[:0])
		return plain, err == nil && len(plain) == int(size)
	default:
		return nil, false
	}
	if err == nil {
		_, err = io.ReadFull(from, plain)
	}
	if err != nil {
		return nil, false
	}
	_, err = io.ReadFull(from, make([]byte, 1)) // the end has a checksum
	return plain, errors.Is(err, io.EOF)
}

// unpackedZstd fills what there is room for.
func unpackedZstd(content, room []byte) ([]byte, error) {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecodeAllCapLimit(true))
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return d.DecodeAll(content, room)
}
