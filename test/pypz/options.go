package pypz

import (
	"errors"
	"fmt"
	"time"
)

// Options says who a peer is. The zero value of a field is the original's default.
type Options struct {
	// URL is the broker's. (The original takes host[:port], and is always guest in vhost /.)
	URL string
	// Channel is the channel's name, Context the full name of the port that has the channel.
	Channel, Context string
	// Group is the group's name, "" for None; Index 0 is its principal; Size counts the principal, too, and is at least 1.
	Group       string
	Index, Size int
	// GroupMode is fan-out: each reader of the group has a queue of its own.
	GroupMode bool
	// Silent says no status, consumes no data and starts no control loop: a sniffer is a silent writer and a silent reader.
	Silent bool
	// Schema is the port's Avro schema; "" for none.
	Schema string

	// Interval is the pause between health checks; 2 s (base.py:57).
	Interval time.Duration
	// ErrorWindow is how long the control loop goes on through exceptions; 60 s (base.py:63).
	ErrorWindow time.Duration
	// Patience is how long after its last message a peer is healthy; 120 s (status.py:151).
	Patience time.Duration
	// DataSilence and StatusSilence end a poll when nothing has come for so long; 100 ms (channels.py:320, 325).
	DataSilence, StatusSilence time.Duration
	// MaxPoll is the prefetch of the data consumer and the most records of one read; 100 (channels.py:315).
	MaxPoll int
}

// maxStatusPoll is the prefetch of the status consumer and the most statuses of one poll (utils.py:23).
const maxStatusPoll = 100

func (o *Options) defaults() {
	def(&o.Size, 1)
	def(&o.Interval, 2*time.Second)
	def(&o.ErrorWindow, 60*time.Second)
	def(&o.Patience, 120*time.Second)
	def(&o.DataSilence, 100*time.Millisecond)
	def(&o.StatusSilence, 100*time.Millisecond)
	def(&o.MaxPoll, 100)
}

func def[T int | time.Duration](field *T, value T) {
	if *field == 0 {
		*field = value
	}
}

func (o *Options) check() error {
	if o.URL == "" {
		return fmt.Errorf("missing channel location for channel: %s", o.Channel) // channels.py:160
	}
	if o.Channel == "" || o.Context == "" {
		return errors.New("channel name and context must be provided") // base.py:83
	}
	return nil
}

func (o *Options) principal() bool { return o.Index == 0 }

// hearsOwnSide says whether the peer also consumes the stream of its own side (channels.py:187, 551).
func (o *Options) hearsOwnSide() bool { return o.Size > 1 && o.principal() }

func (o *Options) readerStream() string { return o.Channel + ".reader.status" }
func (o *Options) writerStream() string { return o.Channel + ".writer.status" }

// exchangeKind: channels.py:269.
func (o *Options) exchangeKind() string {
	if o.GroupMode {
		return "fanout"
	}
	return "direct"
}

// dataQueue is the reader's own queue (channels.py:277).
func (o *Options) dataQueue() string {
	if !o.GroupMode || o.principal() {
		return o.Channel
	}
	return replicaQueue(o.Channel, o.Index)
}

// dataQueues are those that the principal creates and deletes (channels.py:411, 462).
func (o *Options) dataQueues() []string {
	queues := []string{o.Channel}
	if o.GroupMode {
		for i := 1; i < o.Size; i++ {
			queues = append(queues, replicaQueue(o.Channel, i))
		}
	}
	return queues
}

func replicaQueue(channel string, index int) string { return fmt.Sprintf("%s-%d", channel, index) }

func (o *Options) uniqueName() string { return o.Channel + "@" + o.Context }
