package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/d2e2d648/weir"
	"github.com/d2e2d648/weir/codec"
	"github.com/d2e2d648/weir/codec/ocf"
)

// containerCutter cuts a container file into calls.
type containerCutter struct {
	in   *ocf.Reader
	name string
	// eager ends a call with a block rather than wait for the next one.
	eager  bool
	record int // records so far
}

// prepareContainer reads a container file's header, which may have to be waited for, and holds its schema against --schema.
func (cmd *writeCmd) prepareContainer(ctx context.Context, in io.Reader, eager bool) (job, error) {
	file := &containerCutter{name: cmd.inputName(), eager: eager}
	var err error
	if file.in, err = openContainer(ctx, in); err != nil {
		return nil, fmt.Errorf("%s: %w", file.name, err)
	}
	schema := file.in.Schema()
	if cmd.Schema != "" {
		want, err := loadBinarySchema(cmd.Schema)
		if err != nil {
			return nil, err
		}
		if a, b := want.Canonical(), schema.Canonical(); a != b {
			a, b = difference(a, b)
			return nil, usage("the schema in %s is not that of %s: in their canonical forms, one has %s where the other has %s", cmd.Schema, file.name, a, b)
		}
	}
	return writeJob(cmd, file, weir.Custom(schema), func(record []byte) ([]byte, error) { return record, nil }), nil
}

// openContainer reads the header unless the context ends first.
func openContainer(ctx context.Context, in io.Reader) (r *ocf.Reader, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		r, err = ocf.NewReader(in)
	}()
	select {
	case <-done:
		return r, err
	case <-ctx.Done():
		return nil, errors.New("interrupted before the header had come, nothing was sent")
	}
}

func (c *containerCutter) unit() string { return "record" }

func (c *containerCutter) next() (call inputCall, err error) {
	for size := 0; len(call.records) < callRecords && size < callBytes; {
		if c.eager && len(call.records) > 0 && !c.in.InBlock() {
			break
		}
		record, err := c.in.Next()
		var damage *ocf.Error
		if errors.As(err, &damage) {
			err = fmt.Errorf("%s: record %d, in block %d: %s", c.name, damage.Record, damage.Block, plain(damage.Err))
		}
		if err != nil {
			return call, err
		}
		c.record++
		call.add(record, c.record)
		size += len(record)
	}
	return call, nil
}

// loadBinarySchema reads the schema of a container file.
func loadBinarySchema(file string) (*codec.AvroBinary, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, usage("read the schema: %w", err)
	}
	schema, err := codec.NewAvroBinary(string(text))
	if err == nil {
		err = ocf.Usable(schema)
	}
	if err != nil {
		return nil, usage("the schema in %s: %w", file, err)
	}
	return schema, nil
}

// difference gives the beginning of what two texts differ in, with a little of what is before.
func difference(a, b string) (inA, inB string) {
	i := 0
	for i < min(len(a), len(b)) && a[i] == b[i] {
		i++
	}
	i = max(0, strings.LastIndexByte(a[:i], '{'))
	excerpt := func(s string) string { return fmt.Sprintf("%.60s", s[i:]) }
	return excerpt(a), excerpt(b)
}
