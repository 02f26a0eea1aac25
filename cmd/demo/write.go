package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/d2e2d648/weir"
	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/codec"
)

// writeCmd is "demo write": the lines or records of a file or of standard input to a channel.
type writeCmd struct {
	brokerFlags
	Channel string `arg:"" help:"The channel's name."`
	Input   string `type:"existingfile" placeholder:"FILE" help:"Read this file. Default: standard input."`
	Format  string `enum:"ndjson,text,avro," default:"" placeholder:"FORMAT" help:"ndjson: each line is a JSON value, blank lines are skipped; with --schema it is sent as Avro, without as text. text: each line is a record as it is, an empty one too. avro: an Avro object container file. Default: avro for an --input whose name ends in .avro, else ndjson with --schema, text without."`
	Schema  string `type:"existingfile" placeholder:"FILE" help:"The Avro schema of the records. A container file has its own: then this one must be the same, in its canonical form."`

	Compat      bool          `help:"Declare the channel exactly as pypz does, so that pypz peers can declare it, too."`
	Name        string        `placeholder:"NAME" help:"This writer's name, as its peers see it. One writer of a stream has it at a time. Default a random one."`
	Create      bool          `help:"Make the channel if it is not there; otherwise wait until a reader has."`
	Retain      retentionFlag `placeholder:"BOUND" help:"What the stream keeps that --create makes: an age such as 24h or 7d, a size such as 10GiB, or both: 24h,10GiB. One that is there keeps what it does. Default: everything."`
	SubEntries  int           `placeholder:"N" help:"Pack N records into one entry of a stream, at most 65,535: more throughput, but what is sent again after an incident is there twice."`
	WaitReaders int           `placeholder:"N" help:"Wait until so many readers are there before writing."`
	Timeout     time.Duration `default:"30s" placeholder:"DURATION" help:"How long to wait for the broker, the channel and the readers. Default 30s."`
}

// Help implements kong.HelpProvider.
func (*writeCmd) Help() string {
	return `Lines go out in calls of up to 1,000 (or what there is, when the input is a pipe or a terminal), several under way at once. Each call goes whole or not at all: at the first record that does not fit, writing stops, the line is named, all earlier calls are confirmed and nothing of the bad one's call is sent.

A container file (codec null, deflate, snappy or zstandard) is taken apart, and each record is sent as the Avro encoding that it has in the file, unchanged. If the file is damaged, all records before the damage are sent and confirmed, and the first that was not is named. A block that is cut off, or cannot be decompressed, counts as damaged from its first record on.

Of what is sent again after an incident, a stream drops what it has already; a queue may get it twice.

Ctrl-C stops reading, waits for what was sent, and says what became of it. Exit status 1 when not all of the input was confirmed.

Examples:

  demo write orders --broker amqp://localhost --create < words.txt
  demo write orders --input orders.ndjson --schema order.avsc --wait-readers 1
  demo write orders --input orders.avro
  tail -f app.log | demo write logs --name tail
  demo write events --plane stream --create --retain 7d,10GiB --name shop < events.txt
  demo write events --plane stream --sub-entries 100 --input events.txt`
}

// Validate implements kong's hook.
func (cmd *writeCmd) Validate() error {
	if err := cmd.refuseEmbedded(); err != nil {
		return err
	}
	err := cmd.check(givenFlag{"--retain", len(cmd.Retain) > 0}, givenFlag{"--sub-entries", cmd.SubEntries != 0})
	if err := errors.Join(err, cmd.checkCompat(cmd.Compat), cmd.Retain.check()); err != nil {
		return err
	}
	switch {
	case len(cmd.Retain) > 0 && !cmd.Create:
		return errors.New("--retain is for a stream that is made here: add --create, or leave it out")
	case cmd.SubEntries < 0 || cmd.SubEntries > 65535:
		return fmt.Errorf("--sub-entries %d: it must be from 1 to 65,535", cmd.SubEntries)
	case cmd.Format == "text" && cmd.Schema != "":
		return errors.New("--format text takes lines as they are, but --schema makes Avro of JSON: leave one of them out")
	case cmd.WaitReaders < 0:
		return fmt.Errorf("--wait-readers %d: it must not be negative", cmd.WaitReaders)
	case cmd.Timeout <= 0:
		return errors.New("--timeout must be above 0")
	}
	return nil
}

// Run is the command.
func (cmd *writeCmd) Run(c *console, stop *stopper) error {
	in, eager, err := cmd.input(c)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	write, err := cmd.prepare(stop.soft, in, eager)
	if err != nil {
		return err
	}
	rt, err := cmd.open(stop.soft, c, cmd.Timeout)
	if err != nil {
		return err
	}
	defer func() { _ = rt.Close(stop.hard) }()
	return write(c, stop, rt)
}

const formatAvro = "avro"

// prepare makes the job for the format that was asked for.
func (cmd *writeCmd) prepare(ctx context.Context, in io.Reader, eager bool) (job, error) {
	if cmd.Format == formatAvro || cmd.Format == "" && strings.HasSuffix(cmd.Input, ".avro") {
		return cmd.prepareContainer(ctx, in, eager)
	}
	avro, err := loadSchema(cmd.Schema)
	if err != nil {
		return nil, err
	}
	split := &splitter{in: bufio.NewReaderSize(in, 1<<18), eager: eager, skipBlank: avro != nil || cmd.Format == "ndjson"}
	if avro != nil {
		return writeJob(cmd, split, weir.Custom[json.RawMessage](avro), func(line []byte) (json.RawMessage, error) { return line, nil }), nil
	}
	return writeJob(cmd, split, weir.Text(), func(line []byte) (string, error) {
		if cmd.Format == "ndjson" && !json.Valid(line) {
			return "", errors.New("no JSON value")
		}
		return string(line), nil
	}), nil
}

// inputName is what messages call the input.
func (cmd *writeCmd) inputName() string {
	if cmd.Input == "" {
		return "standard input"
	}
	return cmd.Input
}

// input opens the input. Lines of a file need not be sent before a call is full.
func (cmd *writeCmd) input(c *console) (in io.ReadCloser, eager bool, err error) {
	if cmd.Input == "" {
		if f, ok := c.in.(*os.File); ok {
			info, err := f.Stat()
			return f, err != nil || !info.Mode().IsRegular(), nil
		}
		return io.NopCloser(c.in), true, nil
	}
	f, err := os.Open(cmd.Input)
	if err != nil {
		return nil, false, usage("open the input: %w", err)
	}
	return f, false, nil
}

// loadSchema reads an Avro schema; nil for none.
func loadSchema(file string) (*codec.AvroJSON, error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, usage("read the schema: %w", err)
	}
	avro, err := codec.NewAvroJSON(string(text))
	if err != nil {
		return nil, usage("the schema in %s: %w", file, err)
	}
	return avro, nil
}

func (cmd *writeCmd) options() []weir.Option {
	opts := []weir.Option{weir.Window(8*callRecords, 16<<20)} // several calls under way
	if cmd.onStream() {
		opts = append(opts, weir.Stream(), cmd.Retain.option(), weir.SubEntries(cmd.SubEntries))
	}
	if cmd.Name != "" {
		opts = append(opts, weir.Name(cmd.Name))
	}
	if cmd.Compat {
		opts = append(opts, weir.Compat())
	}
	if cmd.Create {
		opts = append(opts, weir.Create())
	}
	return opts
}

// openWriter opens the channel and waits for readers.
func openWriter[T any](ctx context.Context, cmd *writeCmd, rt *weir.Runtime, format weir.Format[T]) (*weir.Writer[T], error) {
	ctx, cancel := context.WithTimeout(ctx, cmd.Timeout)
	defer cancel()
	w, err := weir.OpenWriter(ctx, rt, cmd.Channel, format, cmd.options()...)
	switch {
	case errors.Is(err, broker.ErrNotFound) && !cmd.Create:
		return nil, fmt.Errorf("%w (a reader makes the channel: start one, or make it here with --create)", err)
	case errors.Is(err, weir.ErrNameInUse):
		return nil, fmt.Errorf("another writer of the channel %s has the name %s: wait until it has ended, or choose another --name", cmd.Channel, cmd.Name)
	case err != nil:
		return nil, cmd.wrongPlane(err)
	case cmd.WaitReaders == 0:
		return w, nil
	}
	if err := w.WaitForReaders(ctx, cmd.WaitReaders); err != nil {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeWithin)
		defer cancel()
		return nil, errors.Join(err, w.Close(closing))
	}
	return w, nil
}
