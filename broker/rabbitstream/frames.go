package rabbitstream

import (
	"encoding/binary"
	"errors"
	"io"
)

// The commands of the stream protocol that are in use. An answer's key has the highest bit set.
const (
	declarePublisher = 0x01
	publish          = 0x02
	publishConfirm   = 0x03
	publishError     = 0x04
	querySequence    = 0x05
	deletePublisher  = 0x06
	subscribe        = 0x07
	deliver          = 0x08
	credit           = 0x09
	storeOffset      = 0x0a
	queryOffset      = 0x0b
	unsubscribe      = 0x0c
	metadata         = 0x0f
	metadataUpdate   = 0x10
	peerProperties   = 0x11
	saslHandshake    = 0x12
	saslAuthenticate = 0x13
	tune             = 0x14
	openVHost        = 0x15
	closeConnection  = 0x16
	heartbeat        = 0x17
	answer           = 0x8000
)

// Response codes.
const (
	codeOK             = 1
	codeNoStream       = 2
	codeUnavailable    = 6
	codeAuthentication = 8
	codeLoopback       = 11
	codeVHost          = 12
	codeAccess         = 16
	codePrecondition   = 17
	codeNoPublisher    = 18
	codeNoOffset       = 19
)

// Offset specifications.
const (
	specFirst uint16 = iota + 1
	specLast
	specNext
	specOffset
	specTime
)

const maxScoutFrame = 1 << 20

// frame is one that is being written: size, key, version, and what is appended.
type frame []byte

func newFrame(key uint16) frame {
	f := make(frame, 4, 64)
	f = binary.BigEndian.AppendUint16(f, key)
	return binary.BigEndian.AppendUint16(f, 1)
}

func (f frame) u8(n uint8) frame   { return append(f, n) }
func (f frame) u16(n uint16) frame { return binary.BigEndian.AppendUint16(f, n) }
func (f frame) u32(n uint32) frame { return binary.BigEndian.AppendUint32(f, n) }
func (f frame) u64(n uint64) frame { return binary.BigEndian.AppendUint64(f, n) }

func (f frame) text(s string) frame { return append(f.u16(uint16(len(s))), s...) }

func (f frame) bytes(b []byte) frame { return append(f.u32(uint32(len(b))), b...) }

func (f frame) sealed() []byte {
	binary.BigEndian.PutUint32(f, uint32(len(f)-4))
	return f
}

var errFrame = errors.New("a frame that makes no sense")

// readHead gives the next frame's key and how many bytes follow its version.
func readHead(from io.Reader) (key uint16, size int64, err error) {
	var head [8]byte
	_, err = io.ReadFull(from, head[:])
	return binary.BigEndian.Uint16(head[4:]), int64(binary.BigEndian.Uint32(head[:])) - 4, err
}

// readFrame gives the next frame's key and what follows its version; of a chunk, which may be larger than any other frame, its head.
func readFrame(from io.Reader) (key uint16, rest *fields, err error) {
	key, size, err := readHead(from)
	if err != nil {
		return 0, nil, err
	}
	kept := size
	if key == deliver {
		kept = min(size, chunkHead)
	}
	if size < 0 || kept > maxScoutFrame {
		return 0, nil, errFrame
	}
	b := make([]byte, kept)
	if _, err := io.ReadFull(from, b); err != nil {
		return 0, nil, err
	}
	_, err = io.CopyN(io.Discard, from, size-kept)
	return key, &fields{b: b}, err
}

// fields are a frame's. What is beyond its end is zero, and short says so.
type fields struct {
	b     []byte
	short bool
}

func (f *fields) take(n int) []byte {
	if n > len(f.b) {
		f.short, f.b = true, nil
		return make([]byte, min(n, 8))
	}
	b := f.b[:n]
	f.b = f.b[n:]
	return b
}

func (f *fields) u8() uint8   { return f.take(1)[0] }
func (f *fields) u16() uint16 { return binary.BigEndian.Uint16(f.take(2)) }
func (f *fields) u32() uint32 { return binary.BigEndian.Uint32(f.take(4)) }
func (f *fields) u64() uint64 { return binary.BigEndian.Uint64(f.take(8)) }

func (f *fields) text() string {
	n := f.u16()
	if n == 0xffff { // null
		return ""
	}
	return string(f.take(int(n)))
}

// each calls read for each element of an array.
func (f *fields) each(read func()) {
	for n := f.u32(); n > 0 && !f.short; n-- {
		read()
	}
}
