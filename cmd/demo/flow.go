package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/d2e2d648/weir"
	"github.com/d2e2d648/weir/supervisor"
)

// flowFlags say which writers and readers a run or an experiment has, and how it is shown.
type flowFlags struct {
	Size     int  `default:"100" placeholder:"BYTES" help:"Size of a record's body. 32 bytes of it say which record it is. Default 100."`
	Writers  int  `default:"1" placeholder:"N" help:"Writers. Default 1."`
	Readers  int  `default:"1" placeholder:"N" help:"Readers, who share the records. Default 1."`
	FanOut   bool `help:"Give every record to each reader instead. On a stream it is always so."`
	Ordered  bool `help:"Keep the order of first deliveries over crashes of a reader, too: one consumer at a time. On a stream it is always kept."`
	Prefetch int  `placeholder:"N" help:"Records that the broker hands a reader ahead. Default 200, on a stream 2,000."`

	Channel        string        `placeholder:"NAME" help:"The channel's name. Default a fresh one, so that runs do not meet."`
	HealthInterval time.Duration `default:"2s" placeholder:"DURATION" help:"Pause between health checks. Status and health actors have more to do, and so can crash more often, when it is short. Default 2s."`
	Timeout        time.Duration `default:"30s" placeholder:"DURATION" help:"How long to wait for the broker and for the channel to open. Default 30s."`

	Plain bool `help:"Show plain lines instead of the live screen. So it is where standard error is no terminal, and with --log."`
	JSON  bool `name:"json" help:"Print the report as JSON."`
}

// atLeast is a flag and its least value.
type atLeast struct {
	flag         string
	value, least int
}

// checkFlow refuses what no run can be made of.
func (f *flowFlags) checkFlow(onStream bool, rate float64, more ...atLeast) error {
	for _, n := range append(more, atLeast{"writers", f.Writers, 1}, atLeast{"readers", f.Readers, 1}, atLeast{"prefetch", f.Prefetch, 0}) {
		if n.value < n.least {
			return fmt.Errorf("--%s %d: it must be at least %d", n.flag, n.value, n.least)
		}
	}
	switch most := maxBodyOn(onStream); {
	case f.Size < identitySize || f.Size > most:
		return fmt.Errorf("--size %d: it must be from %d bytes, which say which record it is, to %d", f.Size, identitySize, most)
	case f.Prefetch > 65535:
		return fmt.Errorf("--prefetch %d: brokers know at most 65535", f.Prefetch)
	case rate < 0:
		return fmt.Errorf("--rate %g: it must not be negative", rate)
	case f.HealthInterval <= 0 || f.Timeout <= 0:
		return errors.New("--health-interval and --timeout must be above 0")
	}
	return nil
}

// maxBody is the largest message of RabbitMQ 4.
const maxBody = weir.DefaultMaxRecord

func maxBodyOn(stream bool) int {
	if stream {
		return weir.DefaultStreamMaxRecord
	}
	return maxBody
}

// flow is what a pipeline has to know of the flags.
type flow struct {
	flowFlags
	planeFlags
	where string  // the broker, for people
	rate  float64 // records a second, over all writers; 0: as fast as it goes
	keep  bool    // leave the channel at the broker
	// healWithin is how long all that failed may take to be ready again, at the end.
	healWithin time.Duration
}

// poll and prefetch are a reader's.
func (f *flow) poll() int {
	if f.onStream() {
		return min(supervisor.DefaultStreamPoll, f.prefetch())
	}
	return min(chunk, f.prefetch())
}

func (f *flow) prefetch() int {
	switch {
	case f.Prefetch > 0:
		return f.Prefetch
	case f.onStream():
		return 2 * supervisor.DefaultStreamPoll
	}
	return 2 * chunk
}

// mayRepeat is how many records a writer's restart can bring again: those that were unconfirmed, and on a stream none.
func (f *flow) mayRepeat() int {
	if f.onStream() {
		return 0
	}
	return supervisor.DefaultWindow
}

// holds is what a channel has at the broker.
func (f *flow) holds() string {
	if f.onStream() {
		return "streams"
	}
	return "exchange and queues"
}
