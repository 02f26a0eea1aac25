package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/d2e2d648/weir"
	"github.com/d2e2d648/weir/codec"
)

// readCmd is "demo read": the records of a channel to standard output.
type readCmd struct {
	brokerFlags
	Channel string `arg:"" help:"The channel's name."`
	Schema  string `type:"existingfile" placeholder:"FILE" help:"The Avro schema of the records: each is written as a line of JSON. Without it, records are written as the text or bytes that they are."`
	JSON    bool   `name:"json" help:"Write text records as JSON strings, so that newlines in them are kept apart from those between them."`

	Name        string        `placeholder:"NAME" help:"This reader's name, as its peers see it. Default a random one."`
	Count       int           `placeholder:"N" help:"Stop after N records; the others stay in the queue."`
	Idle        time.Duration `placeholder:"DURATION" help:"Stop when nothing has come for so long, such as 5s."`
	Undecodable string        `enum:"fail,skip,dead-letter" default:"fail" placeholder:"WHAT" help:"What to do with a record that does not fit the schema (with --json: that is no UTF-8). fail: stop, and leave it in the queue; skip: leave it out, it is gone; dead-letter: move it to the queue CHANNEL.dead. Default fail."`
	Delete      bool          `help:"Delete the channel's exchange and queues at the end, when no peer is open; waits up to 10 s for that."`
	Timeout     time.Duration `default:"30s" placeholder:"DURATION" help:"How long to wait for the broker and for the channel to open. Default 30s."`
}

// Help implements kong.HelpProvider.
func (*readCmd) Help() string {
	return `Makes the channel if it is not there. A record is committed, which takes it out of the queue, when its line was written; so nothing is lost when it is ended at any time, and at worst a line comes twice.

Each record is followed by a newline. Bytes are piped as they are, newlines within a record too (see --json); on a terminal, control characters are shown as escapes.

It reads until Ctrl-C or SIGTERM, unless --count or --idle end it. Exit status 0 then; also when the reader of its output goes away.

Examples:

  demo read orders --broker amqp://localhost --idle 5s > words.txt
  demo read orders --schema order.avsc --count 10
  demo read orders --idle 1s --delete > /dev/null`
}

// Validate implements kong's hook.
func (cmd *readCmd) Validate() error {
	if err := cmd.refuseEmbedded(); err != nil {
		return err
	}
	switch {
	case cmd.Count < 0 || cmd.Idle < 0:
		return errors.New("--count and --idle must not be negative")
	case cmd.Timeout <= 0:
		return errors.New("--timeout must be above 0")
	}
	return nil
}

// Run is the command.
func (cmd *readCmd) Run(c *console, stop *stopper) error {
	avro, err := loadSchema(cmd.Schema)
	if err != nil {
		return err
	}
	rt, err := cmd.open(stop.soft, c, cmd.Timeout)
	if err != nil {
		return err
	}
	defer func() { _ = rt.Close(stop.hard) }()
	return cmd.read(c, stop, rt, avro)
}

// read reads with the format that was asked for.
func (cmd *readCmd) read(c *console, stop *stopper, rt *weir.Runtime, avro *codec.AvroJSON) error {
	switch {
	case avro != nil:
		return readLines(c, stop, cmd, rt, weir.Custom[json.RawMessage](avro), jsonLine(c.outIsTTY))
	case cmd.JSON:
		return readLines(c, stop, cmd, rt, weir.Text(), stringLine(c.outIsTTY))
	}
	return readLines(c, stop, cmd, rt, weir.Raw(), textLine(c.outIsTTY))
}

const (
	readPoll     = 100
	readPrefetch = 2 * readPoll
)

func (cmd *readCmd) options() []weir.Option {
	opts := []weir.Option{weir.Poll(readPoll), weir.Prefetch(readPrefetch)}
	if cmd.Count > 0 {
		// A batch is committed as a whole, and only the broker's choice says how large it is: with one record each, it can end anywhere.
		opts = []weir.Option{weir.Poll(1), weir.Prefetch(min(cmd.Count, readPrefetch))}
	}
	if cmd.Name != "" {
		opts = append(opts, weir.Name(cmd.Name))
	}
	switch cmd.Undecodable {
	case "skip":
		return append(opts, weir.OnUndecodable(weir.Skip))
	case "dead-letter":
		return append(opts, weir.OnUndecodable(weir.DeadLetter))
	}
	return append(opts, weir.OnUndecodable(weir.FailRead))
}

// readLines opens the channel, writes its records as lines, and closes it.
func readLines[T any](c *console, stop *stopper, cmd *readCmd, rt *weir.Runtime, format weir.Format[T], line func([]byte, T) []byte) error {
	opening, cancel := context.WithTimeout(stop.soft, cmd.Timeout)
	defer cancel()
	r, err := weir.OpenReader(opening, rt, cmd.Channel, format, cmd.options()...)
	if err != nil {
		return err
	}
	l := &lineReader[T]{r: r, out: c.out, line: line, count: cmd.Count, idle: cmd.Idle}
	failed := l.copy(stop.soft, stop.hard)
	closing, cancel := context.WithTimeout(stop.hard, closeWithin)
	defer cancel()
	if cmd.Delete {
		err = r.CloseAndDelete(closing, false)
	} else {
		err = r.Close(closing)
	}
	text := fmt.Sprintf("%s records were written and committed", number(l.committed))
	if l.again > 0 {
		text += fmt.Sprintf(", %s were written and come again", number(l.again))
	}
	if l.outputGone {
		text += "; nobody reads the output any more, so the others stay in the queue"
	}
	if err := errors.Join(failed, err); err != nil {
		return fmt.Errorf("%w; %s", err, text)
	}
	c.say("%s", text)
	return nil
}
