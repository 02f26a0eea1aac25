package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/d2e2d648/weir"
	"github.com/d2e2d648/weir/supervisor"
)

// runCmd is "demo run": both ends of a channel in one process, and an account of every record.
type runCmd struct {
	brokerFlags
	Records  int     `placeholder:"N" help:"How many records to write, over all writers. Default 200,000, or all lines of --input."`
	Rate     float64 `default:"20000" placeholder:"N" help:"Records a second, over all writers; 0: as fast as it goes. Default 20,000."`
	Size     int     `default:"100" placeholder:"BYTES" help:"Size of a record's body. 32 bytes of it say which record it is. Default 100."`
	Input    string  `type:"existingfile" placeholder:"FILE" help:"Send the lines of this file instead of generated records."`
	Writers  int     `default:"1" placeholder:"N" help:"Writers. Default 1."`
	Readers  int     `default:"1" placeholder:"N" help:"Readers, who share the records. Default 1."`
	FanOut   bool    `help:"Give every record to each reader instead. On a stream it is always so."`
	Ordered  bool    `help:"Keep the order of first deliveries over crashes of a reader, too: one consumer at a time. On a stream it is always kept."`
	Prefetch int     `placeholder:"N" help:"Records that the broker hands a reader ahead. Default 200, on a stream 2,000."`

	Channel        string        `placeholder:"NAME" help:"The channel's name. Default a fresh one, so that runs do not meet."`
	Keep           bool          `help:"Leave the channel at the broker, with what is in it."`
	HealthInterval time.Duration `default:"2s" placeholder:"DURATION" help:"Pause between health checks. Status and health actors have more to do, and so can crash more often, when it is short. Default 2s."`
	Timeout        time.Duration `default:"30s" placeholder:"DURATION" help:"How long to wait for the broker and for the channel to open. Default 30s."`

	Crash   []crashSpec `sep:"none" placeholder:"ACTOR=KIND@EVERY" help:"Crash an actor again and again; repeatable. ACTOR: data-consumer, data-producer, status-consumer, status-producer, health-ticker, metrics-aggregator. KIND: panic, error, goexit, hang. EVERY: the least time between two strikes, such as 200ms; 100 records must have been delivered in between, too. It strikes at the next message that an actor of that name handles then."`
	Crashes int         `placeholder:"N" help:"Strike exactly N times for each --crash; the run goes on until all strikes have happened and healed. Default: no limit, until the records are through."`

	Plain bool `help:"Show a line a second instead of the live screen. So it is where standard error is no terminal, and with --log."`
	JSON  bool `name:"json" help:"Print the report as JSON."`
}

// Help implements kong.HelpProvider.
func (*runCmd) Help() string {
	return `Needs nothing: without --broker it uses a broker in this process.

Each record carries its run, writer, sequence, time and a checksum. The report is computed from these identities, never from counters: lost (confirmed, never delivered), unexpected, corrupted, duplicated, reordered. Exit status 1 when anything was lost, unexpected or corrupted, or the channel failed.

The run ends when all is written and the readers have everything that was confirmed; when nothing has come for 15 s although the readers are connected, what is missing is called lost. Ctrl-C ends it in order, a second one at once.

A hang is noticed by its supervisor after 4 to 8 s (recovery counts from then) and costs a goroutine, counted as abandoned. Without --ordered, a crash of a reader may bring records behind later ones.

With --plane stream each reader gets everything that the run writes, in order whatever crashes; and a crash of a writer brings no duplicates, since the broker drops what it has already.

Examples:

  demo run
  demo run --crash data-consumer=panic@200ms --crash data-producer=error@300ms
  demo run --crash health-ticker=hang@1s --crashes 1 --rate 1000
  demo run --readers 3 --fan-out --ordered --rate 0 --records 1000000
  demo run --plane stream --readers 3 --crash data-producer=panic@500ms --crash data-consumer=error@700ms
  WEIR_PASSWORD=… demo run --broker amqp://me@localhost --input lines.txt --json`
}

// Validate implements kong's hook.
func (cmd *runCmd) Validate() error {
	if err := cmd.check(); err != nil {
		return err
	}
	for _, f := range []struct {
		flag         string
		value, least int
	}{{"records", cmd.Records, 0}, {"writers", cmd.Writers, 1}, {"readers", cmd.Readers, 1}, {"prefetch", cmd.Prefetch, 0}, {"crashes", cmd.Crashes, 0}} {
		if f.value < f.least {
			return fmt.Errorf("--%s %d: it must be at least %d", f.flag, f.value, f.least)
		}
	}
	switch {
	case cmd.Size < identitySize || cmd.Size > cmd.maxBody():
		return fmt.Errorf("--size %d: it must be from %d bytes, which say which record it is, to %d", cmd.Size, identitySize, cmd.maxBody())
	case cmd.Prefetch > 65535:
		return fmt.Errorf("--prefetch %d: brokers know at most 65535", cmd.Prefetch)
	case cmd.Rate < 0:
		return fmt.Errorf("--rate %g: it must not be negative", cmd.Rate)
	case cmd.HealthInterval <= 0 || cmd.Timeout <= 0:
		return errors.New("--health-interval and --timeout must be above 0")
	case cmd.Crashes > 0 && len(cmd.Crash) == 0:
		return errors.New("--crashes says how often, but there is no --crash that says who: add for example --crash data-consumer=panic@200ms")
	}
	return nil
}

// maxBody is the largest message of RabbitMQ 4.
const maxBody = weir.DefaultMaxRecord

func (cmd *runCmd) maxBody() int {
	if cmd.onStream() {
		return weir.DefaultStreamMaxRecord
	}
	return maxBody
}

// poll and prefetch are a reader's.
func (cmd *runCmd) poll() int {
	if cmd.onStream() {
		return min(supervisor.DefaultStreamPoll, cmd.prefetch())
	}
	return min(chunk, cmd.prefetch())
}

func (cmd *runCmd) prefetch() int {
	switch {
	case cmd.Prefetch > 0:
		return cmd.Prefetch
	case cmd.onStream():
		return 2 * supervisor.DefaultStreamPoll
	}
	return 2 * chunk
}

// mayRepeat is how many records a writer's restart can bring again: those that were unconfirmed, and on a stream none.
func (cmd *runCmd) mayRepeat() int {
	if cmd.onStream() {
		return 0
	}
	return supervisor.DefaultWindow
}

// holds is what a channel has at the broker.
func (cmd *runCmd) holds() string {
	if cmd.onStream() {
		return "streams"
	}
	return "exchange and queues"
}

// Run is the command.
func (cmd *runCmd) Run(c *console, stop *stopper) error {
	p, err := cmd.prepare(stop)
	if err != nil {
		return err
	}
	defer p.source.close()
	rt, err := cmd.open(stop.soft, c, cmd.Timeout, weir.WithSpawnOptions(actor.WithReceiverMiddleware(p.injector.middleware)))
	if err != nil {
		return err
	}
	report, err := cmd.conduct(c, p, rt, stop)
	if err != nil {
		return err
	}
	if err := cmd.print(c, report); err != nil {
		return fmt.Errorf("print the report: %w", err)
	}
	if !report.OK {
		return errSaid
	}
	return nil
}

// prepare makes everything that a run needs before it opens anything.
func (cmd *runCmd) prepare(stop *stopper) (*pipeline, error) {
	src, err := newSource(cmd.Input, cmd.Records, cmd.maxBody())
	if err != nil {
		return nil, err
	}
	fresh := cmd.Channel == ""
	if fresh {
		cmd.Channel = newName("demo", rand.Text())
	}
	p := &pipeline{cmd: cmd, run: newRunID(), start: time.Now(), source: src, hard: stop.hard, fresh: fresh}
	p.soft, p.abort = context.WithCancel(stop.soft)
	p.ledger = newLedger(p.run, cmd.Writers, cmd.Readers, cmd.FanOut || cmd.onStream())
	p.injector = newInjector(cmd.Crash, cmd.Crashes, p.ledger.deliveries)
	p.source.more = p.injector.owed
	p.tree = newTree(p.abort)
	return p, nil
}

// conduct runs the pipeline from the first open to the last close, with its progress on the screen.
func (cmd *runCmd) conduct(c *console, p *pipeline, rt *weir.Runtime, stop *stopper) (*report, error) {
	events := rt.Subscribe()
	var watching sync.WaitGroup
	watching.Go(func() { p.tree.follow(events) })
	show := startProgress(c, p, stop, cmd.Plain || cmd.Log != "off" || !c.errIsTTY)

	err := p.open(rt)
	if err == nil {
		p.flow()
	}
	p.injector.release()
	p.close(rt)
	events.Close()
	watching.Wait()
	show.end()
	defer p.abort()
	if err != nil {
		return nil, err
	}
	return p.report(events.Dropped()), nil
}

func (cmd *runCmd) print(c *console, r *report) error {
	if !cmd.JSON {
		_, err := c.out.Write([]byte(r.text()))
		return err
	}
	out := json.NewEncoder(c.out)
	out.SetIndent("", "  ")
	return out.Encode(r)
}
