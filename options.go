package weir

import (
	"crypto/rand"
	"time"

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
}

// DefaultMaxRecord is the longest body of a record, in bytes: what RabbitMQ 4 takes by default. A longer one would end every session that publishes it.
const DefaultMaxRecord = 16 << 20

// Name names the endpoint. No two endpoints of a channel, whatever their side, may have the same name, and one that restarts should keep it. Default: a random one.
func Name(name string) Option { return func(s *settings) { s.Name = name } }

// Group makes a reader a member of a replication group: index 0 is the principal, which alone creates and deletes the channel's resources.
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
// knows nothing of it, they fail when their grace window runs out.
func Ordered() Option { return func(s *settings) { s.Ordered = true } }

// WithoutStatus leaves out the status streams: peers do not see this endpoint, nor it them.
func WithoutStatus() Option { return func(s *settings) { s.NoStatus = true } }

// WithoutMetrics leaves the metrics out of the health checks.
func WithoutMetrics() Option { return func(s *settings) { s.NoMetrics = true } }

// GraceWindow is how long failures of one part may go on until the channel fails. Default 60 s; Forever never fails, but for what no retry mends.
func GraceWindow(d time.Duration) Option { return func(s *settings) { s.GraceWindow = d } }

// HealthInterval is the pause between health checks. Default 2 s.
func HealthInterval(d time.Duration) Option { return func(s *settings) { s.HealthInterval = d } }

// Window bounds what a writer has unconfirmed: records, and bytes of their bodies. Default 1,000 and 16 MiB.
func Window(records, bytes int) Option {
	return func(s *settings) { s.Window, s.WindowBytes = records, bytes }
}

// MaxRecord is the longest body of a record, in bytes, that a writer takes; longer ones are a *RecordError. Default DefaultMaxRecord: change it together with the broker's max_message_size.
func MaxRecord(bytes int) Option { return func(s *settings) { s.maxRecord = bytes } }

// Poll is the most records of one batch. Default 100.
func Poll(records int) Option { return func(s *settings) { s.Poll = records } }

// Prefetch is how many records the broker hands a reader ahead, at most 65,535. Default twice the poll size. It bounds what is delivered again after an incident.
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
	for _, opt := range opts {
		opt(s)
	}
	if s.Name == "" {
		s.Name = "endpoint-" + rand.Text()[:10]
	}
	if s.maxRecord <= 0 {
		s.maxRecord = DefaultMaxRecord
	}
	if s.undecodable == byDefault {
		s.undecodable = DeadLetter
		if s.Compat {
			s.undecodable = FailRead
		}
	}
}
