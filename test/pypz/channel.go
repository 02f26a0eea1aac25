package pypz

import (
	"errors"
	"maps"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// Channel is what readers and writers have in common: ChannelBase (base.py:73).
type Channel struct {
	opts      Options
	own, peer string // status streams: of the own side, and of the other
	side      side

	statusIn  *consumer
	statusOut *producer

	opened, started, stopped bool
	loop                     *loop // nil: none runs

	looking sync.Mutex // one status update at a time
	saying  sync.Mutex // timestamps go out in their order
	mu      sync.Mutex // of what is below
	view    View
	changed chan struct{} // closed at the next change
	payload map[string]any
	killed  bool
}

// side is what a reader and a writer do differently.
type side interface {
	connect() (bool, error)
	disconnect() error
	links() []*link
}

func (c *Channel) init(opts Options) {
	opts.defaults()
	c.opts = opts
	c.view = View{Peers: map[string]*Monitor{}, channel: opts.Channel}
	c.changed, c.payload = make(chan struct{}), map[string]any{}
}

// Open connects, says Opened, looks at the peers and starts the control loop. False is "not yet": something is missing. A second Open says Opened again (base.py:541).
func (c *Channel) Open() (bool, error) {
	if err := c.opts.check(); err != nil {
		return false, err
	}
	if ok, err := c.side.connect(); !ok || err != nil {
		return false, err
	}
	if err := c.say(Opened, nil); err != nil {
		return false, err
	}
	if err := c.Update(); err != nil {
		return false, err
	}
	if !c.looping() && !c.opts.Silent {
		c.loop = startLoop(c)
	}
	c.opened = true
	return true, nil
}

// Start says Started (base.py:481).
func (c *Channel) Start() error {
	if err := c.say(Started, nil); err != nil {
		return err
	}
	c.started, c.stopped = true, false
	return nil
}

// Stop says Stopped (base.py:495).
func (c *Channel) Stop() error {
	c.started, c.stopped = false, true
	return c.say(Stopped, nil)
}

// Fail says Error, as a port does that has met an exception (ports.py:333).
func (c *Channel) Fail() error {
	if !c.opened {
		return nil
	}
	return c.say(Error, nil)
}

// Close ends the channel: the control loop says a last health check, then Stopped if started, and Closed. What cannot be said is in View.Errors. Closing what is not open is
// fine (base.py:566).
func (c *Channel) Close() error {
	if !c.opened {
		return nil
	}
	if c.loop != nil {
		c.loop.end()
		c.loop = nil
	}
	if c.started && !c.stopped {
		c.fail("say Stopped", c.Stop())
	}
	c.fail("say Closed", c.say(Closed, nil))
	c.fail("look at the peers at the end", c.Update())
	c.opened = false
	return c.side.disconnect()
}

// Kill drops all connections without a word, as the death of a process does. The peer cannot be used any more.
func (c *Channel) Kill() {
	c.change(func(*View) { c.killed = true })
	if c.loop != nil {
		c.loop.stop()
	}
	for _, l := range c.side.links() {
		l.kill()
	}
	if c.loop != nil {
		c.loop.end()
	}
}

func (c *Channel) isKilled() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.killed
}

// say publishes a status; a silent peer says nothing (base.py:628).
func (c *Channel) say(kind string, payload any) error {
	if c.opts.Silent {
		return nil
	}
	c.saying.Lock()
	defer c.saying.Unlock()
	s := Status{Channel: c.opts.Channel, Context: c.opts.Context, Group: c.opts.Group, Index: c.opts.Index, Kind: kind, Payload: payload, Timestamp: time.Now().UnixMilli()}
	if err := c.statusOut.publish("", c.own, s.String()); err != nil {
		return err
	}
	c.change(func(v *View) { v.Said = append(v.Said, s) })
	return nil
}

// sayHealth says a health check with what is counted so far.
func (c *Channel) sayHealth() error {
	c.mu.Lock()
	payload := maps.Clone(c.payload)
	c.mu.Unlock()
	return c.say(HealthCheck, payload)
}

// AddHealth adds an entry to the health checks from now on.
func (c *Channel) AddHealth(key string, value any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.payload[key] = value
}

// Update polls statuses and applies them. The first that is none is an error, and costs the rest of the poll: all were acknowledged before (base.py:658).
func (c *Channel) Update() error {
	c.looking.Lock()
	defer c.looking.Unlock()
	if c.statusIn == nil {
		return errors.New("the channel is not open")
	}
	got, err := c.statusIn.poll(c.opts.StatusSilence)
	if err != nil {
		return err
	}
	if err := c.statusIn.commit(); err != nil {
		return err
	}
	for _, d := range got {
		if err := c.apply(&d); err != nil {
			return err
		}
	}
	return nil
}

func (c *Channel) apply(d *amqp.Delivery) (err error) {
	s, err := parse(d.Body, d.ContentEncoding)
	if err != nil {
		return errors.Join(errors.New("status "+string(d.Body)), err)
	}
	c.change(func(v *View) {
		v.Heard = append(v.Heard, Heard{Status: s, Stream: d.RoutingKey, Body: string(d.Body)})
		if s.Channel == c.opts.Channel && s.Context == c.opts.Context {
			return // nobody monitors themselves, or who has their name
		}
		m := v.Peers[s.Unique()]
		if m == nil {
			m = newMonitor(&s, c.opts.Patience)
			v.Peers[s.Unique()] = m
		}
		err = m.update(&s)
	})
	return err
}

// listen opens the status consumer (channels.py:176, 540).
func (c *Channel) listen(name string) error {
	if c.statusIn != nil {
		return nil
	}
	in, err := newConsumer(c.opts.URL, name, maxStatusPoll)
	if err != nil {
		return err
	}
	streams := []string{c.peer}
	if c.opts.hearsOwnSide() {
		streams = append(streams, c.own)
	}
	for _, stream := range streams {
		if err := in.subscribe(stream, fromFirst()); err != nil {
			if refused(err, amqp.PreconditionFailed) {
				err = errors.Join(errors.New("invalid resource type, stream expected"), err)
			}
			return errors.Join(err, in.close())
		}
	}
	c.statusIn = in
	return nil
}

func open[T any](have **T, make func() (*T, error)) (err error) {
	if *have == nil {
		*have, err = make()
	}
	return err
}
