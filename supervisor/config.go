package supervisor

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/d2e2d648/weir/actors"
	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/messages"
)

// Defaults of Config.
const (
	DefaultGraceWindow    = 60 * time.Second
	DefaultHealthInterval = 2 * time.Second
	DefaultPeerTimeout    = 120 * time.Second
	DefaultLostAfter      = 30 * time.Second
	DefaultWindow         = 1000
	DefaultWindowBytes    = 16 << 20
	DefaultPoll           = 100
	DefaultCloseTimeout   = 10 * time.Second

	maxName       = 200 // bytes
	runRecords    = 256
	streamRun     = 1000
	runBytes      = 1 << 20
	maxPrefetch   = 65535
	deliveryLimit = 100
	deadRecords   = 100_000
	deadAge       = 7 * 24 * time.Hour

	// A status stream keeps enough for a newcomer to know everybody: at the highest rate that peers can follow, more than twice the time after which one counts as unhealthy.
	statusAge     = 24 * time.Hour
	statusBytes   = 8 << 20
	statusSegment = 2 << 20
)

// Config describes one end of a channel. The zero value of a field gives its default; Channel, Name, Port and Env must be set.
// It must not be changed while the channel lives.
type Config struct {
	// Channel is the channel's name, Name the endpoint's. No two endpoints of a channel, whatever their side, may have the same.
	// Neither may be empty, contain '@' or be longer than 200 bytes.
	Channel, Name string
	// Port is the broker. DataPort, if set, is another way to it, which the records go; of a channel with a Stream it must know names (rules 21 and 22 of package broker).
	Port, DataPort broker.Port
	// Env is what the actors run in.
	Env *actors.Env
	// Events, if set, is told everything that happens. It is called by the supervisor, one event at a time, and must not block.
	Events func(messages.Event)
	// Stopped, if set, is called once, when the supervisor has stopped: what is sent to it later is never answered.
	Stopped func()

	// Group is the replication group, for readers; "" for none. GroupIndex 0 is the principal, which creates and deletes what the group uses.
	Group      string
	GroupIndex int
	// GroupSize is how many members the group has; at least 1.
	GroupSize int
	// FanOut gives each member of the reading group a queue of its own: all get every record. Otherwise they share the load.
	FanOut bool

	// Expected is how many endpoints of the other side there will be, over all their replicas; 0: not known. It is what Remainder compares with.
	Expected int
	// StandBy opens the channel without starting it; see messages.Start.
	StandBy bool
	// Silent makes an endpoint that its peers do not see: it says no status, creates and consumes nothing. A silent writer can write.
	Silent bool
	// AwaitSchema says WaitingForSchema with every health check, until messages.SchemaKnown.
	AwaitSchema bool
	// Health, if set, is asked for entries of the user's when a health check is due. It must not block; done takes the answer from any goroutine, and one that comes too late is not used.
	Health func(done func(messages.Payload))

	// Create lets this endpoint declare the channel's resources; otherwise it waits for them. (A reader's group lets only the principal declare.)
	Create bool
	// Compat declares resources exactly as pypz does, and nothing else: a classic queue without limits or dead letters.
	Compat bool
	// Ordered promises the order of first deliveries over incidents, too: one consumer is active at a time. A queue that is declared so, or is consumed exclusively where
	// another declares it or Compat leaves no choice; of a quorum queue that another has declared without it RabbitMQ does not keep a second consumer away.
	Ordered bool
	// NoStatus leaves out the status streams: peers do not see this endpoint, nor it them.
	NoStatus bool
	// NoMetrics leaves the metrics out of the health checks.
	NoMetrics bool
	// Resources overrides the names and options that are derived from the channel's name.
	Resources *actors.Resources

	// Stream, if set, carries the records on a stream. All endpoints of a channel must agree on it.
	Stream *Stream

	// GraceWindow is how long failures of a child may go on until the channel fails; 60 s, or Forever.
	GraceWindow time.Duration
	// HealthInterval is the pause between health checks; 2 s.
	HealthInterval time.Duration
	// PeerTimeout is how long after its last message a peer is healthy; 120 s.
	PeerTimeout time.Duration

	// LostAfter is how long the broker may take to miss a session whose connection was lost: three heartbeats; 30 s. Until then Remaining does not say that nothing is left.
	LostAfter time.Duration

	// Window and WindowBytes bound what a writer has unconfirmed at the broker; 1,000 records, on a stream 2,000, with SubEntries 10,000, and 16 MiB. One record may be larger.
	Window, WindowBytes int
	// StallAfter is how long a record may be unconfirmed until that is an event; when it is as long again, the producer is replaced. 30 s.
	StallAfter time.Duration

	// Poll is the most records of one batch of a reader; 100, on a stream 1,000. Prefetch is how many the broker hands out ahead, at most 65,535; 2 × Poll.
	Poll, Prefetch int
	// PollTimeout is how long a Demand waits for records until it is answered with an empty batch; 0: until there are some.
	PollTimeout time.Duration
	// Properties asks for the properties of records, which cost an allocation each.
	Properties bool
}

// check fills in the defaults, or says what is wrong.
func (c *Config) check() error {
	for _, f := range []struct{ what, name string }{{"channel name", c.Channel}, {"endpoint name", c.Name}} {
		if err := checkName(f.what, f.name); err != nil {
			return err
		}
	}
	switch {
	case c.Port == nil:
		return errors.New("config: Port is missing: the broker that the channel is to use")
	case c.Env == nil:
		return errors.New("config: Env is missing: what the actors run in (see actors.RealEnv)")
	case c.GroupIndex < 0 || c.GroupIndex >= max(1, c.GroupSize):
		return fmt.Errorf("config: group index %d is not within a group of %d", c.GroupIndex, max(1, c.GroupSize))
	case c.GroupIndex > 0 && c.Group == "":
		return fmt.Errorf("config: group index %d without a group name", c.GroupIndex)
	case len(c.Group) > maxName:
		return fmt.Errorf("config: the group name has %d bytes, %d are allowed", len(c.Group), maxName)
	case c.Expected < 0:
		return fmt.Errorf("config: %d expected peers: it must not be negative", c.Expected)
	case c.Silent && c.NoStatus:
		return errors.New("config: Silent with NoStatus: an endpoint that says nothing is there to hear its peers")
	case c.Prefetch < 0 || c.Prefetch > maxPrefetch:
		return fmt.Errorf("config: prefetch %d is not within 1 to %d", c.Prefetch, maxPrefetch)
	}
	for _, f := range []struct {
		name  string
		value int64
	}{
		{"grace window", int64(c.GraceWindow)}, {"health interval", int64(c.HealthInterval)}, {"peer timeout", int64(c.PeerTimeout)}, {"lost after", int64(c.LostAfter)},
		{"window", int64(c.Window)}, {"window bytes", int64(c.WindowBytes)}, {"stall after", int64(c.StallAfter)}, {"poll", int64(c.Poll)}, {"poll timeout", int64(c.PollTimeout)},
	} {
		if f.value < 0 {
			return fmt.Errorf("config: %s is negative", f.name)
		}
	}
	if c.Stream != nil {
		if err := c.Stream.check(c); err != nil {
			return err
		}
	}
	c.defaults()
	return nil
}

func checkName(what, name string) error {
	switch {
	case name == "":
		return fmt.Errorf("config: the %s is empty", what)
	case len(name) > maxName:
		return fmt.Errorf("config: the %s has %d bytes, %d are allowed", what, len(name), maxName)
	case strings.Contains(name, "@"):
		return fmt.Errorf("config: the %s %s contains '@', which separates channel and endpoint in unique names", what, strconv.Quote(name))
	}
	return nil
}

func (c *Config) defaults() {
	if c.DataPort == nil {
		c.DataPort = c.Port
	}
	if c.Stream != nil {
		def(&c.Window, c.Stream.DefaultWindow())
		def(&c.Poll, DefaultStreamPoll)
	}
	def(&c.GroupSize, 1)
	def(&c.GraceWindow, DefaultGraceWindow)
	def(&c.HealthInterval, DefaultHealthInterval)
	def(&c.PeerTimeout, DefaultPeerTimeout)
	def(&c.LostAfter, DefaultLostAfter)
	def(&c.Window, DefaultWindow)
	def(&c.WindowBytes, DefaultWindowBytes)
	def(&c.StallAfter, actors.DefaultStallAfter)
	def(&c.Poll, DefaultPoll)
	def(&c.Prefetch, min(2*c.Poll, maxPrefetch))
	if c.Events == nil {
		c.Events = func(messages.Event) {}
	}
	if c.Stopped == nil {
		c.Stopped = func() {}
	}
	if c.Resources == nil {
		r := c.derive()
		c.Resources = &r
	}
}

func def[T int | time.Duration](field *T, value T) {
	if *field == 0 {
		*field = value
	}
}

func (c *Config) limits() limits {
	return limits{records: c.Window, bytes: c.WindowBytes, runRecords: c.run(), runBytes: runBytes}
}

// run is the most records that go from actor to actor at a time.
func (c *Config) run() int {
	if c.Stream != nil {
		return streamRun
	}
	return runRecords
}

// derive gives the usual names and options (wire contract, "Names").
func (c *Config) derive() actors.Resources {
	r := actors.Resources{Exchange: c.Channel, ExchangeKind: broker.Direct, Queue: c.Channel, Queues: []string{c.Channel}}
	if c.Stream != nil {
		r = c.streamResources()
	} else if c.FanOut {
		r.ExchangeKind = broker.Fanout
		r.Queue = actors.DataQueue(c.Channel, c.GroupIndex)
		r.Queues = nil
		for i := range c.GroupSize {
			r.Queues = append(r.Queues, actors.DataQueue(c.Channel, i))
		}
	}
	if !c.NoStatus {
		r.ReaderStatus, r.WriterStatus = c.Channel+".reader.status", c.Channel+".writer.status"
		r.StatusOptions = broker.QueueOptions{Type: broker.Stream}
	}
	if c.Compat {
		return r
	}
	r.StatusOptions.MaxAge, r.StatusOptions.MaxBytes, r.StatusOptions.SegmentBytes = statusAge, statusBytes, statusSegment
	r.Dead = c.Channel + ".dead"
	r.DeadOptions = broker.QueueOptions{Type: broker.Quorum, MaxLength: deadRecords, MaxAge: deadAge}
	if c.Stream == nil {
		r.QueueOptions = broker.QueueOptions{Type: broker.Quorum, DeliveryLimit: deliveryLimit, DeadLetterTo: r.Dead, SingleActiveConsumer: c.Ordered}
	}
	return r
}
