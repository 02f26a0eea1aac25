// Package ocf takes Avro object container files apart into the bare encodings of their records, and makes files of such:
// no record is decoded, so none is changed. A file is
//
//	"Obj" 1 · map of metadata (avro.schema, avro.codec) · 16 bytes of sync marker
//	blocks: count of records · size in bytes · records, compressed · the sync marker again
//
// A file may come from anybody, so nothing in one is believed: sizes are held against limits before there is memory for
// them, memory grows with the bytes that are there and not with what is claimed, a block is looked at when its sync
// marker was found behind it, what it decompresses to is bounded, and each record is walked against the schema.
//
// The Avro library's own container files are not used: they give only decoded values, take a file that was cut off for
// one that has ended, and believe every size.
package ocf

import (
	"errors"
	"fmt"

	"github.com/d2e2d648/weir/codec"
)

const magic = "Obj\x01"

// The keys of the metadata that mean something here.
const (
	keySchema = "avro.schema"
	keyCodec  = "avro.codec"
)

const (
	// maxHeader is the most bytes of metadata that are read.
	maxHeader = 4 << 20
	// maxBlock is the most bytes that a block may have, compressed or not.
	maxBlock = 64 << 20
)

// Error says where a file cannot be read, and why.
type Error struct {
	// Record is the first record, from 1, that was not given; 0 in the header.
	Record int
	// Block is the block that it is in, from 1.
	Block int
	// Err is the cause; a *codec.Error if a record does not fit the schema.
	Err error
}

// Error implements error.
func (e *Error) Error() string {
	if e.Record == 0 {
		return e.Err.Error()
	}
	return fmt.Sprintf("record %d, in block %d: %v", e.Record, e.Block, e.Err)
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

var errEmpty = errors.New("its records have no bytes, so nothing tells how many there are, and an empty message is taken for text by others")

// Usable says why a schema is not used for container files.
func Usable(schema *codec.AvroBinary) error {
	if schema.CanBeEmpty() {
		return errEmpty
	}
	return nil
}
