// Command demo shows what weir's channels do, and is of use by hand: it runs writers and readers while their actors crash, or broker and network fail, and reports what became of every record;
// it writes lines of text or JSON, or Avro container files, to a channel, reads them from one, and shows a channel's peers.
//
// Exit status: 0 fine, 1 failed or records lost, 2 wrong usage.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/alecthomas/kong"
)

// Exit statuses.
const (
	exitFine   = 0
	exitFailed = 1
	exitUsage  = 2
)

// commands is the command line. One file a command.
type commands struct {
	Run        runCmd        `cmd:"" help:"Run writers and readers in this process, crash their actors if asked to, and report what became of every record."`
	Write      writeCmd      `cmd:"" help:"Write lines of text or JSON, or the records of an Avro container file, from a file or standard input to a channel."`
	Read       readCmd       `cmd:"" help:"Read records from a channel to standard output, a line each or as an Avro container file."`
	Experiment experimentCmd `cmd:"" help:"Make broker, network and actors fail while records flow, and tell what happens: a timeline, and what became of every record."`
	Sniff      sniffCmd      `cmd:"" help:"Show the peers of a channel live, without being seen."`
}

const overview = `weir: supervised channels over RabbitMQ.

A channel carries records from writers to readers. Every moving part of it is an actor of its own: one that fails is replaced, and nothing that was confirmed is lost.
"demo run" shows it and needs no broker; "demo experiment" also makes broker and network fail. "demo write" and "demo read" are the two ends of a channel on a RabbitMQ broker, and
"demo sniff" shows who is there.

  demo run --crash data-consumer=panic@200ms
  demo experiment --fault freeze@2s:3s --report freeze.html

  export WEIR_URL=amqp://localhost
  demo write orders --schema order.avsc --create < orders.ndjson
  demo read orders --schema order.avsc --idle 5s > copy.ndjson
  demo sniff orders

The records can go by a stream instead of a queue (--plane stream): it keeps them, and each reader gets all.

  demo write events --plane stream --create --retain 7d --name shop < events.txt
  demo read events --plane stream --from 10m

Exit status: 0 fine, 1 failed or records lost, 2 wrong usage.`

func main() {
	os.Exit(run(os.Args[1:], standard()))
}

// exited carries the exit status of kong's own exits (--help) out of the parser.
type exited int

// run is the program: it parses the arguments and gives the exit status.
func run(args []string, c *console) (status int) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case exited:
			status = int(r)
		default:
			panic(r)
		}
	}()
	parsed, err := newParser(&commands{}, c).Parse(args)
	if err != nil {
		return c.fail(fmt.Errorf("%w (see demo --help)", err), exitUsage)
	}
	stop := watchSignals()
	defer stop.close()
	if err := parsed.Run(c, stop); err != nil {
		return c.fail(err, exitFailed)
	}
	return exitFine
}

func newParser(into *commands, c *console) *kong.Kong {
	return kong.Must(into, kong.Name("demo"), kong.Description(overview), kong.Writers(c.out, c.err),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 110}), kong.Exit(func(code int) { panic(exited(code)) }))
}

// console is where the program reads and writes, and whether a person looks at it.
type console struct {
	in                 io.Reader
	out, err           io.Writer
	outIsTTY, errIsTTY bool
}

// errSaid ends a command with status 1 when all is said already.
var errSaid = errors.New("said already")

// usageError is a mistake in the arguments that only shows when the command runs.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usage(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

func (c *console) fail(err error, status int) int {
	var wrong usageError
	if errors.As(err, &wrong) {
		status = exitUsage
	}
	if !errors.Is(err, errSaid) {
		c.say("demo: %v", err)
	}
	return status
}

// say prints a line for the person, never into the data.
func (c *console) say(format string, args ...any) {
	_, _ = fmt.Fprintf(c.err, format+"\n", args...)
}
