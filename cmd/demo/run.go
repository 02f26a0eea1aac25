package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/d2e2d648/weir"
)

// runCmd is "demo run": both ends of a channel in one process, and an account of every record.
type runCmd struct {
	brokerFlags
	flowFlags
	Records int     `placeholder:"N" help:"How many records to write, over all writers. Default 200,000, or all lines of --input."`
	Rate    float64 `default:"20000" placeholder:"N" help:"Records a second, over all writers; 0: as fast as it goes. Default 20,000."`
	Input   string  `type:"existingfile" placeholder:"FILE" help:"Send the lines of this file instead of generated records."`
	Keep    bool    `help:"Leave the channel at the broker, with what is in it."`

	Crash   []crashSpec `sep:"none" placeholder:"ACTOR=KIND@EVERY" help:"Crash an actor again and again; repeatable. ACTOR: data-consumer, data-producer, status-consumer, status-producer, health-ticker, metrics-aggregator. KIND: panic, error, goexit, hang. EVERY: the least time between two strikes, such as 200ms; 100 records must have been delivered in between, too. It strikes at the next message that an actor of that name handles then."`
	Crashes int         `placeholder:"N" help:"Strike exactly N times for each --crash; the run goes on until all strikes have happened and healed. Default: no limit, until the records are through."`
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
	if err := cmd.checkFlow(cmd.onStream(), cmd.Rate, atLeast{"records", cmd.Records, 0}, atLeast{"crashes", cmd.Crashes, 0}); err != nil {
		return err
	}
	if cmd.Crashes > 0 && len(cmd.Crash) == 0 {
		return errors.New("--crashes says how often, but there is no --crash that says who: add for example --crash data-consumer=panic@200ms")
	}
	return nil
}

// Run is the command.
func (cmd *runCmd) Run(c *console, stop *stopper) error {
	p, err := cmd.prepare(stop)
	if err != nil {
		return err
	}
	defer p.source.close()
	rt, err := cmd.open(stop.soft, c, cmd.Timeout, p.middleware())
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
	src, err := newSource(cmd.Input, cmd.Records, maxBodyOn(cmd.onStream()))
	if err != nil {
		return nil, err
	}
	p := newPipeline(flow{flowFlags: cmd.flowFlags, planeFlags: cmd.planeFlags, where: cmd.where(), rate: cmd.Rate, keep: cmd.Keep, healWithin: healGrace}, src, stop)
	p.injector = newInjector(cmd.Crash, cmd.Crashes, p.ledger.deliveries)
	p.source.more = p.injector.owed
	return p, nil
}

// conduct runs the pipeline with its progress on the screen.
func (cmd *runCmd) conduct(c *console, p *pipeline, rt *weir.Runtime, stop *stopper) (*report, error) {
	show := startProgress(c, p, stop, cmd.Plain || cmd.Log != "off" || !c.errIsTTY)
	dropped, err := p.conduct(rt)
	show.end()
	defer p.abort()
	defer p.cut()
	if err != nil {
		return nil, err
	}
	return p.report(dropped), nil
}

func (cmd *runCmd) print(c *console, r *report) error {
	if cmd.JSON {
		return printJSON(c.out, r)
	}
	_, err := c.out.Write([]byte(r.text()))
	return err
}

func printJSON(to io.Writer, v any) error {
	out := json.NewEncoder(to)
	out.SetIndent("", "  ")
	return out.Encode(v)
}
