package weir

import (
	"crypto/rand"
	"time"

	"github.com/rs/zerolog"

	"github.com/d2e2d648/weir/supervisor"
)

// Forever is a grace window that never runs out.
const Forever = supervisor.Forever

// Option is one setting of an endpoint. The defaults are safe; see supervisor.Config for each value's unit and default.
type Option func(*settings)

type settings struct {
	supervisor.Config
	undecodable Undecodable
	maxRecord   int
	openTimeout time.Duration
	hook        func() Payload
	synchronous bool
	sequential  bool
	logger      *zerolog.Logger // nil: the runtime's
	level       zerolog.Level
}

// DefaultMaxRecord is the longest body of a record, in bytes: what RabbitMQ 4 takes by default. A longer one would end every session that publishes it.
const DefaultMaxRecord = 16 << 20

// DefaultStreamMaxRecord is the longest body of a record on a stream: a frame of RabbitMQ's stream protocol is 1 MiB by default, with what goes around the record. A longer one would end every
// session that publishes it.
const DefaultStreamMaxRecord = 1<<20 - 1<<10

// Name names the endpoint. No two endpoints of a channel, whatever their side, may have the same name, and one that restarts should keep it. Default: a random one.
func Name(name string) Option { return func(s *settings) { s.Name = name } }

// Group makes an endpoint a member of a replication group: index 0 is the principal, which alone creates and deletes the channel's resources, and hears the other members. Each member keeps one stable Name.
func Group(name string, index, size int) Option {
	return func(s *settings) { s.Group, s.GroupIndex, s.GroupSize = name, index, size }
}

// FanOut gives each member of the reading group a queue of its own, so that all get every record. All endpoints of a channel must agree on it.
func FanOut() Option { return func(s *settings) { s.FanOut = true } }

// Create lets a writer declare the channel's resources, for one that starts before any reader. (Readers do it anyway, but for members of a group other than its principal.)
func Create() Option { return func(s *settings) { s.Create = true } }

// JoinOnly keeps a reader from declaring resources: it waits until they are there.
func JoinOnly() Option { return func(s *settings) { s.Create = false } }

// Compat declares resources exactly as pypz does. All endpoints that declare must agree on it.
func Compat() Option { return func(s *settings) { s.Compat = true } }

// Ordered promises the order of first deliveries over incidents, too: one consumer at a time. Further readers wait for their turn; with Compat or JoinOnly, where the queue itself
// knows nothing of it, they fail when their grace window runs out. With JoinOnly the promise needs a classic queue, or one whose declarer has Ordered as well: RabbitMQ keeps no second consumer from a quorum queue
// that the first one has for itself.
func Ordered() Option { return func(s *settings) { s.Ordered = true } }

// WithoutStatus leaves out the status streams: peers do not see this endpoint, nor it them.
func WithoutStatus() Option { return func(s *settings) { s.NoStatus = true } }

// WithoutMetrics leaves the metrics out of the health checks.
func WithoutMetrics() Option { return func(s *settings) { s.NoMetrics = true } }

// GraceWindow is how long failures of one part may go on until the channel fails. Default 60 s; Forever never fails, but for what no retry mends.
func GraceWindow(d time.Duration) Option { return func(s *settings) { s.GraceWindow = d } }

// HealthInterval is the pause between health checks. Default 2 s.
func HealthInterval(d time.Duration) Option { return func(s *settings) { s.HealthInterval = d } }

// Expect says how many endpoints of the other side there will be, over all their replicas. Opening then waits until one of them was seen (with Synchronous until all were), and a reader's Batches
// end when all have finished and no record is left. Default 0: nobody is waited for, and reading goes on until the context ends.
func Expect(peers int) Option { return func(s *settings) { s.Expected = peers } }

// Synchronous makes opening wait until all peers that Expect names were seen, not one.
func Synchronous() Option { return func(s *settings) { s.synchronous = true } }

// Sequential makes a reader's opening wait, for as long as the context allows, until all writers that Expect names (at least one) have finished: stopped, closed, or unhealthy.
func Sequential() Option { return func(s *settings) { s.sequential = true } }

// OpenTimeout bounds opening and its wait for peers, not that of Sequential. Default 0: the context alone bounds it.
func OpenTimeout(d time.Duration) Option { return func(s *settings) { s.openTimeout = d } }

// StandBy opens an endpoint without starting it: peers see Opened. Write and Read give ErrNotStarted until Start.
func StandBy() Option { return func(s *settings) { s.StandBy = true } }

// Silent makes an endpoint that its peers do not see, but that sees them: it says nothing, creates nothing and consumes no records. A silent writer can write; a silent reader's reads give ErrSilent.
func Silent() Option { return func(s *settings) { s.Silent = true } }

// OnHealthCheck gives the entries that health checks carry beside those of weir, such as {"queueDepth": 7}: peers get them in Peer.Payload. It is called for each health check, by a goroutine of its
// own and never twice at once. One that panics is an event (HookFailed); one that takes longer than the health interval is left out of that health check. Entries must be such that encoding/json
// can write them, and 8 KiB together.
func OnHealthCheck(hook func() Payload) Option { return func(s *settings) { s.hook = hook } }

// Logger logs what happens to this endpoint to that logger, with its own level, instead of the runtime's (see WithLog).
func Logger(log zerolog.Logger) Option { return func(s *settings) { s.logger = &log } }

// LogLevel is the least level that is logged of this endpoint, where its logger logs it at all. Default: everything that the logger does.
func LogLevel(level zerolog.Level) Option { return func(s *settings) { s.level = level } }

// Window bounds what a writer has unconfirmed: records, and bytes of their bodies. Default 1,000, on a stream 2,000, with SubEntries 10,000, and 16 MiB. A stream on the other side of a
// long way (more than some 3 ms) is written faster with more.
func Window(records, bytes int) Option {
	return func(s *settings) { s.Window, s.WindowBytes = records, bytes }
}

// MaxRecord is the longest body of a record, in bytes, that a writer takes; longer ones are a *RecordError. Default DefaultMaxRecord, on a stream DefaultStreamMaxRecord: change it together with the
// broker's max_message_size, of streams its frame_max.
func MaxRecord(bytes int) Option { return func(s *settings) { s.maxRecord = bytes } }

// Poll is the most records of one batch. Default 100, on a stream 1,000.
func Poll(records int) Option { return func(s *settings) { s.Poll = records } }

// PollTimeout makes Read return an empty batch when no record has come for so long. Default 0: it waits until there are records.
func PollTimeout(d time.Duration) Option { return func(s *settings) { s.PollTimeout = d } }

// Prefetch is how many records the broker hands a reader ahead, at most 65,535. Default twice the poll size. It bounds what is delivered again after an incident.
// With 1,000 records of 100 B to 4 KiB are read about a quarter faster; other readers of the queue get theirs in larger pieces then.
func Prefetch(records int) Option { return func(s *settings) { s.Prefetch = records } }

// OnUndecodable says what a reader does with a record that cannot be decoded. Default DeadLetter; with Compat, FailRead.
func OnUndecodable(u Undecodable) Option { return func(s *settings) { s.undecodable = u } }

// Undecodable is what a reader does with a record that cannot be decoded. Whatever it is, the record's neighbours arrive.
type Undecodable int

// What a reader can do with a record that cannot be decoded.
const (
	byDefault Undecodable = iota
	// DeadLetter publishes it to the channel's queue for dead letters, with a confirm, before the batch that it came in is handed over.
	DeadLetter
	// Skip leaves it out, with an event. It is gone when the batch is committed.
	Skip
	// FailRead ends the Read with a *RecordError; the batch stays uncommitted.
	FailRead
)

func (s *settings) apply(opts []Option) {
	s.level = zerolog.TraceLevel
	for _, opt := range opts {
		opt(s)
	}
	if s.Name == "" {
		s.Name = "endpoint-" + rand.Text()[:10]
	}
	if s.maxRecord <= 0 {
		s.maxRecord = DefaultMaxRecord
		if s.Stream != nil {
			s.maxRecord = DefaultStreamMaxRecord
		}
	}
	if s.undecodable == byDefault {
		s.undecodable = DeadLetter
		if s.Compat {
			s.undecodable = FailRead
		}
	}
}
