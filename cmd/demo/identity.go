package main

import (
	"encoding/binary"
	"hash/crc32"
	"time"
)

// identity is what each record of a run says of itself, ahead of its payload. What became of the records is computed from it, never from counters.
//
//	0   checksum of all that follows, CRC-32C
//	4   writer
//	8   run
//	16  sequence, from 0 for each writer
//	24  when it was sent: nanoseconds since the run began
type identity struct {
	writer uint32
	run    uint64
	seq    uint64
	at     time.Duration
}

const identitySize = 32

func checksum(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

// put writes the identity into the first bytes of a record whose payload is there already.
func (id *identity) put(record []byte) {
	binary.BigEndian.PutUint32(record[4:], id.writer)
	binary.BigEndian.PutUint64(record[8:], id.run)
	binary.BigEndian.PutUint64(record[16:], id.seq)
	binary.BigEndian.PutUint64(record[24:], uint64(id.at))
	binary.BigEndian.PutUint32(record, checksum(record[4:]))
}

// readIdentity reads a record's identity; not ok when the record is corrupted.
func readIdentity(record []byte) (id identity, ok bool) {
	if len(record) < identitySize || binary.BigEndian.Uint32(record) != checksum(record[4:]) {
		return id, false
	}
	return identity{
		writer: binary.BigEndian.Uint32(record[4:]),
		run:    binary.BigEndian.Uint64(record[8:]),
		seq:    binary.BigEndian.Uint64(record[16:]),
		at:     time.Duration(binary.BigEndian.Uint64(record[24:])),
	}, true
}
