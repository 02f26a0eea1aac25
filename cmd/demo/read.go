package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/d2e2d648/weir"
	"github.com/d2e2d648/weir/codec/ocf"
	"github.com/d2e2d648/weir/supervisor"
)

// readCmd is "demo read": the records of a channel to standard output.
type readCmd struct {
	brokerFlags
	Channel  string `arg:"" help:"The channel's name."`
	Schema   string `type:"existingfile" placeholder:"FILE" help:"The Avro schema of the records: each is written as a line of JSON. Without it, records are written as the text or bytes that they are."`
	JSON     bool   `name:"json" help:"Write text records as JSON strings, so that newlines in them are kept apart from those between them."`
	Format   string `enum:"lines,avro" default:"lines" placeholder:"FORMAT" help:"lines: a line each, as --schema and --json say. avro: one Avro object container file with the schema of --schema. Default lines."`
	Compress string `enum:"null,deflate," default:"" placeholder:"CODEC" help:"The codec of a container file: null, deflate. Default null, which is none."`

	Compat      bool          `help:"Declare the channel exactly as pypz does, so that pypz peers can declare it, too."`
	Name        string        `placeholder:"NAME" help:"This reader's name, as its peers see it; in a stream a reader of that name goes on behind what it has committed. Default a random one."`
	From        streamStart   `placeholder:"WHERE" help:"Where to begin in a stream, when nothing was committed under --name yet. first: at the first record that is kept; last: with what the broker has written last, one record or many; next: with what comes from now on; an offset such as 4711; a time such as 2006-01-02T15:04:05Z, or how long ago, such as 10m or 7d: some records from before it may come. Default first."`
	Replay      bool          `help:"Begin there in a stream, whatever was committed under --name."`
	Retain      retentionFlag `placeholder:"BOUND" help:"What a stream keeps that this reader makes: an age such as 24h or 7d, a size such as 10GiB, or both: 24h,10GiB. One that is there keeps what it does. Default: everything."`
	Count       int           `placeholder:"N" help:"Stop after N records; the others stay."`
	Idle        time.Duration `placeholder:"DURATION" help:"Stop when nothing has come for so long, such as 5s."`
	Undecodable string        `enum:"fail,skip,dead-letter" default:"fail" placeholder:"WHAT" help:"What to do with a record that does not fit the schema (with --json: that is no UTF-8). fail: stop, and commit nothing from it on; skip: leave it out, and out of a queue it is gone; dead-letter: put it into the queue CHANNEL.dead. A stream keeps it anyway. Default fail."`
	Delete      bool          `help:"Delete the channel with all that is in it at the end, when no peer is open; waits up to 10 s for that."`
	Timeout     time.Duration `default:"30s" placeholder:"DURATION" help:"How long to wait for the broker and for the channel to open. Default 30s."`
}

// Help implements kong.HelpProvider.
func (*readCmd) Help() string {
	return `Makes the channel if it is not there. A record is committed when it was written, so nothing is lost when it is ended at any time, and at worst a record comes twice. What is committed is out of a queue. A stream keeps it: there the next reader of the same --name begins behind it, and the last line says at which offsets the records were.

Each record is followed by a newline. Bytes are piped as they are, newlines within a record too (see --json); on a terminal, control characters are shown as escapes.

A container file holds the records' Avro encodings unchanged, in blocks of up to 64 KiB (or of one record), and is complete whenever it ends. It does not go to a terminal; and not behind another one (>>), since a file has one header.

It reads until Ctrl-C or SIGTERM, unless --count or --idle end it. Exit status 0 then; also when the reader of its output goes away.

Examples:

  demo read orders --broker amqp://localhost --idle 5s > words.txt
  demo read orders --schema order.avsc --count 10
  demo read orders --schema order.avsc --format avro --compress deflate --idle 5s > orders.avro
  demo read events --plane stream --name billing
  demo read events --plane stream --from 10m --idle 1s | grep error
  demo read events --plane stream --name billing --replay --from 4711 --count 1
  demo read orders --idle 1s --delete > /dev/null`
}

// Validate implements kong's hook.
func (cmd *readCmd) Validate() error {
	if err := cmd.refuseEmbedded(); err != nil {
		return err
	}
	err := cmd.check(givenFlag{"--from", cmd.From.given()}, givenFlag{"--replay", cmd.Replay}, givenFlag{"--retain", len(cmd.Retain) > 0})
	if err := errors.Join(err, cmd.checkCompat(cmd.Compat), cmd.Retain.check()); err != nil {
		return err
	}
	switch avro := cmd.Format == formatAvro; {
	case avro && cmd.Schema == "":
		return errors.New("--format avro makes a container file, which begins with its records' schema: name it with --schema")
	case avro && cmd.JSON:
		return errors.New("--json is for text, --format avro for Avro: leave one of them out")
	case !avro && cmd.Compress != "":
		return errors.New("--compress is for the container files of --format avro")
	case cmd.Count < 0 || cmd.Idle < 0:
		return errors.New("--count and --idle must not be negative")
	case cmd.Compat && cmd.Undecodable == "dead-letter":
		return errors.New("--undecodable dead-letter needs the queue CHANNEL.dead, which --compat does not declare: choose fail or skip")
	case cmd.Timeout <= 0:
		return errors.New("--timeout must be above 0")
	}
	return nil
}

// Run is the command.
func (cmd *readCmd) Run(c *console, stop *stopper) error {
	read, err := cmd.prepare(c)
	if err != nil {
		return err
	}
	rt, err := cmd.open(stop.soft, c, cmd.Timeout)
	if err != nil {
		return err
	}
	defer func() { _ = rt.Close(stop.hard) }()
	return read(c, stop, rt)
}

// prepare makes the job for the format that was asked for.
func (cmd *readCmd) prepare(c *console) (job, error) {
	if cmd.Format == formatAvro {
		return cmd.prepareContainer(c)
	}
	avro, err := loadSchema(cmd.Schema)
	switch {
	case err != nil:
		return nil, err
	case avro != nil:
		return readLines(cmd, c, weir.Custom[json.RawMessage](avro), jsonLine(c.outIsTTY)), nil
	case cmd.JSON:
		return readLines(cmd, c, weir.Text(), stringLine(c.outIsTTY)), nil
	}
	return readLines(cmd, c, weir.Raw(), textLine(c.outIsTTY)), nil
}

func (cmd *readCmd) prepareContainer(c *console) (job, error) {
	if c.outIsTTY {
		return nil, usage("a container file is binary, and standard output is a terminal: send it to a file, as in demo read %s … > FILE, or leave out --format avro to see lines of JSON", cmd.Channel)
	}
	schema, err := loadBinarySchema(cmd.Schema)
	if err != nil {
		return nil, err
	}
	compress := cmp.Or(cmd.Compress, ocf.Null)
	return readJob(cmd, weir.Custom(schema), &containerSink{out: c.out, schema: schema, compress: compress}, cmd.block()), nil
}

func readLines[T any](cmd *readCmd, c *console, format weir.Format[T], line func([]byte, T) []byte) job {
	return readJob(cmd, format, &lineSink[T]{out: c.out, line: line}, 0)
}

const (
	readPoll       = 100
	readStreamPoll = supervisor.DefaultStreamPoll
)

// block is how many records are best dealt with together.
func (cmd *readCmd) block() int {
	if cmd.onStream() {
		return readStreamPoll
	}
	return readPoll
}

// poll is the most records of a batch. Out of a queue a batch is committed as a whole, and only the broker's choice says how large it is: with one record each, --count can end anywhere.
// Of a stream what is below an offset can be committed.
func (cmd *readCmd) poll() int {
	if cmd.Count > 0 && !cmd.onStream() {
		return 1
	}
	return cmd.block()
}

// prefetch is no more than is wanted of a queue, whose other readers would wait for what this one holds.
func (cmd *readCmd) prefetch() int {
	if cmd.Count > 0 && !cmd.onStream() {
		return min(cmd.Count, 2*readPoll)
	}
	return 2 * cmd.block()
}

func (cmd *readCmd) options() []weir.Option {
	opts := append(cmd.streamOptions(), weir.Poll(cmd.poll()), weir.Prefetch(cmd.prefetch()))
	if cmd.Name != "" {
		opts = append(opts, weir.Name(cmd.Name))
	}
	if cmd.Compat {
		opts = append(opts, weir.Compat())
	}
	switch cmd.Undecodable {
	case "skip":
		return append(opts, weir.OnUndecodable(weir.Skip))
	case "dead-letter":
		return append(opts, weir.OnUndecodable(weir.DeadLetter))
	}
	return append(opts, weir.OnUndecodable(weir.FailRead))
}

func (cmd *readCmd) streamOptions() (opts []weir.Option) {
	if !cmd.onStream() {
		return nil
	}
	opts = append(opts, weir.Stream(), cmd.Retain.option())
	if cmd.From.given() {
		opts = append(opts, cmd.From.option)
	}
	if cmd.Replay {
		opts = append(opts, weir.Replay())
	}
	return opts
}

// readJob opens the channel, writes its records to the sink, closes the reader, and says what became of them.
func readJob[T any](cmd *readCmd, format weir.Format[T], out sink[T], gather int) job {
	return func(c *console, stop *stopper, rt *weir.Runtime) error {
		opening, cancel := context.WithTimeout(stop.soft, cmd.Timeout)
		defer cancel()
		r, err := weir.OpenReader(opening, rt, cmd.Channel, format, cmd.options()...)
		if err != nil {
			return cmd.wrongPlane(err)
		}
		return readOut(c, stop, cmd, &recordReader[T]{r: r, out: out, count: cmd.Count, idle: cmd.Idle, gather: gather, stream: cmd.onStream()})
	}
}

func readOut[T any](c *console, stop *stopper, cmd *readCmd, l *recordReader[T]) (err error) {
	failed := l.copy(stop.soft, stop.hard)
	closing, cancel := context.WithTimeout(stop.hard, closeWithin)
	defer cancel()
	if cmd.Delete {
		err = l.r.CloseAndDelete(closing, false)
	} else {
		err = l.r.Close(closing)
	}
	text := cmd.summary(&l.account)
	if err := errors.Join(failed, err); err != nil {
		return fmt.Errorf("%w; %s", err, text)
	}
	c.say("%s", text)
	return nil
}

// summary says what became of the records.
func (cmd *readCmd) summary(a *readAccount) string {
	text := number(a.committed) + " records were written"
	switch {
	case !cmd.onStream():
		text += " and committed"
	case cmd.Name != "":
		text += " and committed under the name " + cmd.Name
	}
	switch {
	case a.committed == 0 || !cmd.onStream():
	case a.first == a.last:
		text += fmt.Sprintf(", at offset %d", a.first)
	default:
		text += fmt.Sprintf(", at offsets %d to %d", a.first, a.last)
	}
	if a.again > 0 {
		text += fmt.Sprintf(", %s were written and come again", number(a.again))
	}
	switch {
	case a.outputGone && cmd.onStream():
		text += "; nobody reads the output any more"
	case a.outputGone:
		text += "; nobody reads the output any more, so the others stay in the queue"
	}
	return text
}
