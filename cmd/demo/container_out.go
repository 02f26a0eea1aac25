package main

import (
	"io"

	"github.com/d2e2d648/weir/codec"
	"github.com/d2e2d648/weir/codec/ocf"
)

// containerSink writes bare Avro encodings as a container file.
type containerSink struct {
	out      io.Writer
	schema   *codec.AvroBinary
	compress string
	file     *ocf.Writer
}

func (s *containerSink) begin() (err error) {
	s.file, err = ocf.NewWriter(s.out, s.schema, s.compress)
	return err
}

func (s *containerSink) write(records [][]byte) error { return s.file.Write(records...) }
