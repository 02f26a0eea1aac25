package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// experimentCmd is "demo experiment": a run whose broker, network and actors are made to fail, with a timeline of what happens then.
type experimentCmd struct {
	brokerFlags
	flowFlags
	Fault  []fault       `sep:"none" placeholder:"NAME[@TIME][:ARGUMENT]" help:"A fault, repeatable: what, when (since the first record; where it is not said, the seed draws it), and its length or argument. --list explains all of them. With none, the seed draws a few."`
	Seed   *uint64       `placeholder:"N" help:"Draws what is not said; the same seed with the same flags draws the same. Default: a fresh one, which is said."`
	For    time.Duration `default:"10s" placeholder:"DURATION" help:"How long records are written, at least: it goes on until the faults are over and healed. Default 10s."`
	Rate   float64       `default:"5000" placeholder:"N" help:"Records a second, over all writers; 0: as fast as it goes. Default 5,000."`
	Report string        `type:"path" placeholder:"FILE" help:"Write a report into a file, too: FILE.html a page with a picture, FILE.json data. It is written also when Ctrl-C ends the experiment."`
	List   bool          `help:"Explain the faults, and end."`
}

// Help implements kong.HelpProvider.
func (*experimentCmd) Help() string {
	return `Where it happens: without --broker on a broker in this process. With --broker private on a RabbitMQ node that it starts itself (private:3.10.8 and private:4.0.5 say which; Debian 12 or 13 and root or sudo, the first time it fetches the broker: 30 s), which can be killed, frozen and cut off. With --broker amqp://… on your own: then only what the client's side can bring about is possible, crashes of actors and a bad network between here and there, and the broker itself is left alone.

The timeline tells, as it happens, when a fault begins, who notices it and by which error, which incarnation (#2, the epoch) takes over, when the fault ends, and when a new record got through: one that was attempted after the strike, or after the end, and is with all readers who must have it. Faults of the broker come one after the other, and so do those of the network. The report is computed from the identities of the records, as that of "demo run".

Exit status 0: nothing that was confirmed was lost, what came was right, duplicates were within what design.md promises, every fault has healed, and a fresh record of each writer got through at the end. Otherwise 1, with a sentence that says why.

Examples:

  demo experiment
  demo experiment --seed 7 --readers 2 --report seven.html
  demo experiment --fault freeze@3s:2s --fault crash@6s:data-producer=error
  demo experiment --plane stream --fault delete-stream@2s --fault latency@5s:3s,50ms
  demo experiment --broker private --fault kill@2s --report kill.html
  demo experiment --broker amqp://me@localhost --fault cut@2s --fault black-hole@4s:5s`
}

// Validate implements kong's hook.
func (cmd *experimentCmd) Validate() error {
	if err := cmd.check(); err != nil {
		return err
	}
	if err := cmd.checkFlow(cmd.onStream(), cmd.Rate); err != nil {
		return err
	}
	switch ending := filepath.Ext(cmd.Report); {
	case cmd.For <= 0:
		return fmt.Errorf("--for %v: it must be above 0", cmd.For)
	case cmd.Report != "" && ending != ".html" && ending != ".json":
		return fmt.Errorf("--report %s: its name must end in .html, for a page, or in .json, for data", cmd.Report)
	}
	for i := range cmd.Fault {
		if err := cmd.refuse(&cmd.Fault[i]); err != nil {
			return fmt.Errorf("--fault %s: %w", &cmd.Fault[i], err)
		}
	}
	return nil
}

// refuse says why a fault is not possible there.
func (cmd *experimentCmd) refuse(f *fault) error {
	v := cmd.venue()
	switch {
	case f.kind.plane != "" && f.kind.plane != cmd.Plane:
		return fmt.Errorf("the channel is a %s, so there is none to delete: add --plane %s", cmd.Plane, f.kind.plane)
	case f.kind.possible(v, cmd.Plane):
	case v == onOwn:
		return fmt.Errorf("this would harm %s, which the experiment did not start: use %s", cmd.where(), brokersFor(f.kind))
	default:
		return fmt.Errorf("the %s broker cannot be made to do that: use %s", v, brokersFor(f.kind))
	}
	if v == onOwn && f.kind.plane != "" && cmd.Channel != "" {
		return fmt.Errorf("the channel %s may be somebody's: without --channel the experiment makes a fresh one, which it may delete", cmd.Channel)
	}
	return nil
}

func brokersFor(k *faultKind) string {
	var all []string
	for _, v := range k.venues {
		switch v {
		case onEmbedded:
			all = append(all, "--broker embedded")
		case onPrivate:
			all = append(all, "--broker private")
		case onOwn:
			all = append(all, "--broker amqp://…")
		}
	}
	return strings.Join(all, " or ")
}

const privateBroker = "private"

// privateVersion is what the private node is to be; empty: the newest.
func (cmd *experimentCmd) privateVersion() (version string, is bool) {
	name, version, _ := strings.Cut(cmd.Broker, ":")
	return version, name == privateBroker
}

func (cmd *experimentCmd) venue() venue {
	if _, private := cmd.privateVersion(); private {
		return onPrivate
	}
	if cmd.embedded() {
		return onEmbedded
	}
	return onOwn
}

// Run is the command.
func (cmd *experimentCmd) Run(c *console, stop *stopper) error {
	if cmd.List {
		return listFaults(c.out, c.width())
	}
	arena, err := cmd.arena(stop.soft, c)
	if err != nil {
		return err
	}
	result, err := cmd.conduct(c, newExperiment(cmd, arena, stop), stop)
	closed := arena.close()
	if err != nil {
		return errors.Join(err, closed)
	}
	if err := errors.Join(cmd.tell(c, result), closed); err != nil {
		return err
	}
	if !result.OK {
		return errSaid
	}
	return nil
}

// conduct makes the experiment, with its timeline on the screen.
func (cmd *experimentCmd) conduct(c *console, x *experiment, stop *stopper) (*experimentReport, error) {
	defer x.p.abort()
	defer x.p.cut()
	rt, err := x.arena.open(stop.soft, c, x.p.middleware())
	if err != nil {
		return nil, err
	}
	c.say("%s", x.title())
	say, end := startTimeline(c, x.p, stop, cmd.Plain || cmd.Log != "off" || !c.errIsTTY)
	x.line = newTimeline(say)
	dropped, err := x.p.conduct(rt)
	x.tasks.Wait()
	entries := x.line.end()
	end()
	if err != nil {
		return nil, err
	}
	return x.report(entries, dropped), nil
}

// tell prints the report, and writes the file.
func (cmd *experimentCmd) tell(c *console, r *experimentReport) error {
	var err error
	if cmd.JSON {
		err = printJSON(c.out, r)
	} else {
		_, err = c.out.Write([]byte(r.text()))
	}
	if err != nil {
		err = fmt.Errorf("print the report: %w", err)
	}
	if cmd.Report == "" {
		return err
	}
	return errors.Join(err, r.save(cmd.Report))
}

func (r *experimentReport) save(file string) error {
	to, err := os.Create(file)
	if err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	if filepath.Ext(file) == ".json" {
		err = printJSON(to, r)
	} else {
		err = r.page(to)
	}
	if err = errors.Join(err, to.Close()); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

func (cmd *experimentCmd) seed() uint64 {
	if cmd.Seed != nil {
		return *cmd.Seed
	}
	return uint64(rand.IntN(1_000_000)) // short enough to be typed again
}

// arena makes the broker that the experiment is made on.
func (cmd *experimentCmd) arena(ctx context.Context, c *console) (arena, error) {
	switch cmd.venue() {
	case onEmbedded:
		return newEmbeddedArena(&cmd.brokerFlags), nil
	case onPrivate:
		return startPrivateArena(ctx, c, cmd)
	}
	return newOwnArena(cmd)
}
