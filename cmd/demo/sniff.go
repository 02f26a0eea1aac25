package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/d2e2d648/weir"
	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/messages"
)

// sniffCmd is "demo sniff": the peers of a channel, without being seen.
type sniffCmd struct {
	brokerFlags
	Channel string        `arg:"" help:"The channel's name."`
	For     time.Duration `placeholder:"DURATION" help:"End after so long, from when the channel is open. Default: it goes on until Ctrl-C, or q on a terminal."`
	Every   time.Duration `default:"10s" placeholder:"DURATION" help:"Pause between two lines of counts, where there is no live screen. Default 10s."`
	Plain   bool          `help:"Print a line for each change instead of the live screen. So it is where standard output is no terminal, and with --log."`
	JSON    bool          `name:"json" help:"Listen, print one snapshot as JSON, and end."`
	Listen  time.Duration `placeholder:"DURATION" help:"How long to listen before the snapshot of --json. Default 6s, which is three health checks: whoever is there has been heard then."`
	Timeout time.Duration `default:"30s" placeholder:"DURATION" help:"How long to wait for the broker and for the channel's status streams. Default 30s."`
}

// Help implements kong.HelpProvider.
func (*sniffCmd) Help() string {
	return `Opens a silent reader and a silent writer. They publish nothing, create nothing and consume no record, so nobody on the channel notices them; peers may be weir's or pypz's. It waits until the channel's status streams are there, which a reader makes.

Health: "healthy" was heard live and lately; "late" was heard live, but not for three health checks; "unhealthy" not for 120 s; "unheard" is known from what was said before, and has 6 s to be heard; "history" was not heard in them, so all that is known of it is old; "closed" has said so. * marks the principal of a group. Records a second are those between the peer's last two health checks. Columns that do not fit the terminal are left out, the least important first.

The snapshot of --json is one object. Times are RFC 3339; what is not known is null:

  channel, broker, at, listened_ms
  problems: texts; why a side could not be heard at the end
  queues: name, type (queue, stream), exists, ready, consumers, error
    CHANNEL, CHANNEL.dead, and CHANNEL-1 … where readers of a group have such
    ready and consumers are null for a stream: it keeps what was read, and
    brokers do not tell how many read it
  peers: name, unique_name, role (reader, writer)
    group, group_index, principal
    state (Opened, Started, Stopped, Closed, Error), state_since (peer's clock)
    health (healthy, late, unhealthy, unheard, history, closed)
    heard_live, last_seen, last_seen_ago_ms, clock_skew_ms
    records, records_per_second
    metrics: since_last_call_ms, ms_per_call, ms_per_record, records_per_call
    entries: what else its health checks carry

Exit status 0 also when nobody is there; 1 when the broker or the status streams are not.

Examples:

  demo sniff orders --broker amqp://localhost
  demo sniff orders --for 1m --every 5s > changes.txt
  demo sniff events --plane stream
  demo sniff orders --json | jq '.peers[] | select(.health != "healthy")'`
}

// Validate implements kong's hook.
func (cmd *sniffCmd) Validate() error {
	if err := cmd.refuseEmbedded(); err != nil {
		return err
	}
	if err := cmd.check(); err != nil {
		return err
	}
	switch {
	case cmd.For < 0 || cmd.Listen < 0:
		return errors.New("--for and --listen must not be negative")
	case cmd.Every <= 0 || cmd.Timeout <= 0:
		return errors.New("--every and --timeout must be above 0")
	case cmd.Listen > 0 && !cmd.JSON:
		return errors.New("--listen says when to take the snapshot of --json: add that, or use --for to end by itself")
	case cmd.JSON && (cmd.For > 0 || cmd.Plain):
		return errors.New("--json takes one snapshot, --for and --plain go on: leave one of them out (--listen says how long to listen before the snapshot)")
	}
	return nil
}

// Run is the command.
func (cmd *sniffCmd) Run(c *console, stop *stopper) error {
	rt, err := cmd.openAMQP(stop.soft, c, cmd.Timeout)
	if err != nil {
		return err
	}
	defer func() { _ = rt.Close(stop.hard) }()
	return cmd.sniff(c, stop, rt)
}

// sniff does the work, on any runtime.
func (cmd *sniffCmd) sniff(c *console, stop *stopper, rt *weir.Runtime) error {
	s, err := openSniffer(stop.soft, c, rt, cmd.Channel, cmd.onStream(), cmd.Timeout)
	if err != nil {
		return err
	}
	defer s.close()
	w := &sniffWatch{sniffer: s, roster: newRoster(cmd.Channel, cmd.where(), time.Now())}
	switch {
	case cmd.JSON:
		return w.snapshot(stop.soft, c, cmp.Or(cmd.Listen, sniffListen))
	case cmd.Plain || cmd.Log != "off" || !c.outIsTTY:
		lines := &sniffLines{out: c.out, every: cmd.Every}
		return lines.end(w.watch(stop.soft, cmd.For, lines), w.roster)
	}
	show := startSniffScreen(c, stop)
	err = w.watch(stop.soft, cmd.For, show)
	return errors.Join(err, show.end(c))
}

const (
	// sniffListen is how long whoever is there may take to be heard: three health intervals.
	sniffListen = 6 * time.Second
	// sniffLook is the pause between two looks at the peers.
	sniffLook = 250 * time.Millisecond
)

// sniffer hears both sides of a channel and asks for its queues.
type sniffer struct {
	hearsReaders *weir.Writer[[]byte]
	hearsWriters *weir.Reader[[]byte]
	queues       *queueAsker
}

// openSniffer waits until the status streams are there, and says what it waits for. The silent endpoints outlive every failure but those that no retry mends: who looks on must see how an outage ends.
// What carries the records is nothing to them.
func openSniffer(ctx context.Context, c *console, rt *weir.Runtime, channel string, stream bool, timeout time.Duration) (*sniffer, error) {
	opening, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	events := rt.Subscribe()
	var saying sync.WaitGroup
	saying.Go(func() { sayWaits(events, c, timeout) })
	defer func() {
		events.Close()
		saying.Wait()
	}()

	id := rand.Text()
	options := func(name string) []weir.Option {
		return []weir.Option{weir.Silent(), weir.GraceWindow(weir.Forever), weir.Name(newName(name, id))}
	}
	s := &sniffer{}
	var err error
	if s.hearsReaders, err = weir.OpenWriter(opening, rt, channel, weir.Raw(), options("sniff-readers")...); err == nil {
		s.hearsWriters, err = weir.OpenReader(opening, rt, channel, weir.Raw(), options("sniff-writers")...)
	}
	if errors.Is(err, broker.ErrNotFound) {
		return nil, fmt.Errorf("%w (a reader makes the channel; with WithoutStatus, or on another virtual host, there is nothing to hear)", err)
	}
	if err != nil {
		return nil, err
	}
	s.queues = newQueueAsker(rt.Port().Lease(newName("sniff", id)), channel, stream)
	return s, nil
}

// sayWaits tells the person once what is waited for.
func sayWaits(events *weir.Subscription, c *console, timeout time.Duration) {
	for e := range events.All(context.Background()) {
		if waits, ok := e.(*messages.WaitsFor); ok {
			c.say("not yet: %v; waits up to %v", waits.Reason, timeout)
			return
		}
	}
}

func (s *sniffer) close() { s.queues.lease.Abort() }

// sighting is what both sides and the broker have said at one moment.
type sighting struct {
	at     time.Time
	peers  []messages.Peer
	deaf   map[messages.Side]string // why a side cannot be heard now
	queues []queueSeen
}

// look asks the silent endpoints what they know now.
func (s *sniffer) look(ctx context.Context) (*sighting, error) {
	seen := &sighting{deaf: map[messages.Side]string{}}
	most := 0
	for side, inspect := range map[messages.Side]func(context.Context) (*messages.Snapshot, error){
		messages.Reading: s.hearsReaders.Inspect, messages.Writing: s.hearsWriters.Inspect,
	} {
		snapshot, err := inspect(ctx)
		if err != nil {
			return nil, err
		}
		if snapshot.Err != nil {
			return nil, snapshot.Err
		}
		for _, k := range snapshot.Children {
			if k.Child == messages.StatusConsumer && !k.Ready {
				seen.deaf[side] = deafness(k.LastError)
			}
		}
		for i := range snapshot.Peers.All {
			p := &snapshot.Peers.All[i]
			seen.peers = append(seen.peers, *p)
			if side == messages.Reading {
				most = max(most, p.GroupIndex)
			}
		}
	}
	seen.at = time.Now()
	seen.queues = s.queues.look(seen.at, most)
	return seen, nil
}

// deafness says in a few words why a side cannot be heard.
func deafness(err error) string {
	switch {
	case err == nil:
		return "connecting"
	case errors.Is(err, broker.ErrNotFound):
		return "their status stream was deleted"
	case errors.Is(err, broker.ErrUnavailable):
		return "the broker cannot be reached"
	}
	return firstLine(err)
}

// sniffWatch looks again and again.
type sniffWatch struct {
	sniffer *sniffer
	roster  *roster
}

// sniffDisplay shows what the roster holds, and what is new in it.
type sniffDisplay interface {
	show(r *roster, news []sniffNews) error
}

// watch goes on until the context ends, or for so long.
func (w *sniffWatch) watch(ctx context.Context, long time.Duration, display sniffDisplay) error {
	if long > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, long)
		defer cancel()
	}
	again := time.NewTicker(sniffLook)
	defer again.Stop()
	for {
		seen, err := w.sniffer.look(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return fmt.Errorf("sniff channel %s: %w", w.roster.channel, err)
		}
		if err := display.show(w.roster, w.roster.take(seen)); err != nil {
			return err
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// snapshot listens, and prints what was seen. When it is interrupted, it prints what it has.
func (w *sniffWatch) snapshot(ctx context.Context, c *console, listen time.Duration) error {
	if c.errIsTTY {
		c.say("listening to %s for %v", w.roster.channel, listen)
	}
	if err := w.watch(ctx, listen, nobodyLooks{}); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeWithin)
	defer cancel()
	w.sniffer.queues.await(ctx)
	seen, err := w.sniffer.look(ctx)
	if err != nil {
		return fmt.Errorf("sniff channel %s: %w", w.roster.channel, err)
	}
	w.roster.take(seen)
	if err := printSnapshot(c.out, w.roster); err != nil {
		return fmt.Errorf("print the snapshot: %w", err)
	}
	return nil
}

type nobodyLooks struct{}

func (nobodyLooks) show(*roster, []sniffNews) error { return nil }
