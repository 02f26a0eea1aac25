package rabbitstream

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	client "github.com/rabbitmq/rabbitmq-stream-go-client/pkg/message"
	"github.com/rabbitmq/rabbitmq-stream-go-client/pkg/stream"

	"github.com/d2e2d648/weir/broker"
)

// Limits of the client.
const (
	minWindow, maxWindow = 500, 1_000_000
	maxSubEntries        = 65535
)

// overhead is what a message costs in a frame beside itself, at most; frameHeader what the frame does.
const overhead, frameHeader = 24, 64

// noTimeOut keeps the client from making up refusals of its own.
const noTimeOut = 10_000 * time.Hour

// publisher is one publishing session. The session's lock guards queue, unconfirmed and trouble; the rest is the worker's.
type publisher struct {
	session
	config broker.PublisherConfig

	queue       []broker.Batch
	unconfirmed int
	trouble     error // a record was refused

	producer *stream.Producer
	encoder  encoder
	room     int    // for messages in one call of the client: a frame
	slab     []byte // of encoded messages, good until they are sent
	ends     []int  // of each in slab
	first    uint64 // the sequence of the first in slab
	out      []client.StreamMessage
}

func newPublisher(config broker.PublisherConfig) *publisher {
	p := &publisher{config: config, encoder: encoder{appID: config.AppID, contentEncoding: config.ContentEncoding}}
	p.stream, p.what = config.RoutingKey, "publish to stream "+strconv.Quote(config.RoutingKey)
	if config.Name != "" {
		p.key = config.RoutingKey + "\x00" + config.Name
	}
	return p
}

// check says what of the configuration is impossible.
func (p *publisher) check() error {
	switch c := &p.config; {
	case c.Exchange != "":
		return misuse(p.what, "the exchange %q: the stream protocol has none", c.Exchange)
	case c.RoutingKey == "" || len(c.RoutingKey) > 255:
		return misuse(p.what, "a stream's name has 1 to 255 bytes")
	case c.Window < 1 || c.Window > maxWindow:
		return misuse(p.what, "the window is %d: use 1 to %d", c.Window, maxWindow)
	case len(c.Name) > 255 || len(c.AppID) > 255 || len(c.ContentEncoding) > 255:
		return misuse(p.what, "a name of more than 255 bytes")
	case c.SubEntries < 0 || c.SubEntries > maxSubEntries:
		return misuse(p.what, "SubEntries is %d: use at most %d", c.SubEntries, maxSubEntries)
	case c.SubEntries > 1 && c.Name != "":
		return misuse(p.what, "a name and sub-entries, which know no deduplication")
	}
	return nil
}

func (p *publisher) question() question {
	return question{stream: p.stream, publisher: p.config.Name}
}

func (p *publisher) declare(f *findings) error {
	p.room = f.frameMax - frameHeader
	o := stream.NewProducerOptions().SetQueueSize(max(minWindow, p.config.Window)).SetBatchSize(1).SetConfirmationTimeOut(noTimeOut).
		SetProducerName(p.config.Name).SetSubEntrySize(max(1, p.config.SubEntries)).SetClientProvidedName(p.port.config.Name + " publish streams")
	producer, err := p.link.env.NewProducer(p.stream, o)
	if err != nil {
		return err
	}
	p.producer = producer
	go p.follow(producer.NotifyPublishConfirmation())
	p.closed = producer.NotifyClose()
	if err := p.pulse(); err != nil { // the client may have closed it before it could tell
		_ = producer.Close()
		return err
	}
	return nil
}

func (p *publisher) undo() error {
	if p.producer == nil {
		return nil
	}
	return p.producer.Close()
}

// pulse asks for the last sequence, which who may only write may not know; and is told so.
func (p *publisher) pulse() error {
	_, err := p.producer.GetLastPublishingId()
	if errors.Is(err, stream.CodeAccessRefused) {
		return nil
	}
	return err
}

func (p *publisher) waitsOut() bool { return true }

// Publish is the port's.
func (p *publisher) Publish(batch broker.Batch) {
	if len(batch.Records) == 0 {
		return
	}
	p.mu.Lock()
	if p.state != open {
		p.mu.Unlock()
		return
	}
	p.unconfirmed += len(batch.Records)
	n := p.unconfirmed
	if batch.First > 0 && n <= p.config.Window {
		p.queue = append(p.queue, batch)
		p.mu.Unlock()
		p.poke()
		return
	}
	p.mu.Unlock()
	if batch.First == 0 {
		p.endLater(misuse(p.what, "a batch with the sequence 0"))
		return
	}
	p.endLater(failure(p.what, broker.ErrWindow, fmt.Errorf("%w: %d of %d", broker.ErrWindow, n, p.config.Window)))
}

func (p *publisher) drop() { p.queue = nil }

func (p *publisher) pump() (time.Duration, error) {
	for {
		p.mu.Lock()
		queue, trouble := p.queue, p.trouble
		p.queue = nil
		p.mu.Unlock()
		if trouble != nil || len(queue) == 0 {
			return 0, trouble
		}
		for _, batch := range queue {
			if err := p.add(batch); err != nil {
				return 0, err
			}
		}
		if err := p.flush(); err != nil {
			return 0, err
		}
	}
}

// finish has nothing to do: the pump has sent all, and the client says goodbye behind it.
func (p *publisher) finish() error { return nil }

// add encodes the batch behind what is in slab, and sends it when a frame is full or the sequence jumps.
func (p *publisher) add(batch broker.Batch) error {
	for i := range batch.Records {
		sequence := batch.First + uint64(i)
		if n := len(p.ends); n > 0 && sequence != p.first+uint64(n) {
			if err := p.flush(); err != nil {
				return err
			}
		}
		begin := len(p.slab)
		p.slab = p.encoder.append(p.slab, sequence, &batch.Records[i])
		if size := len(p.slab) - begin + overhead; size > p.room {
			return failure(p.what, broker.ErrRefused, fmt.Errorf("record %d has %d bytes with its properties: a frame has room for %d", sequence, size-overhead, p.room-overhead))
		}
		if len(p.slab)+overhead*(len(p.ends)+1) > p.room {
			if err := p.flushUpTo(begin); err != nil {
				return err
			}
		}
		if len(p.ends) == 0 {
			p.first = sequence
		}
		p.ends = append(p.ends, len(p.slab))
	}
	return nil
}

func (p *publisher) flush() error { return p.flushUpTo(len(p.slab)) }

// flushUpTo sends the messages whose bytes end there, and keeps what is behind. The client is done with the bytes when it returns.
func (p *publisher) flushUpTo(end int) error {
	if len(p.ends) == 0 {
		return nil
	}
	messages := make([]message, len(p.ends)) // the client keeps them until they are confirmed
	p.out = p.out[:0]
	begin := 0
	for i, end := range p.ends {
		messages[i] = message{p.slab[begin:end], p.first + uint64(i)}
		p.out = append(p.out, &messages[i])
		begin = end
	}
	if err := p.do(func() error { return p.producer.BatchSend(p.out) }); err != nil {
		return err
	}
	for i := range messages {
		messages[i].encoded = nil
	}
	clear(p.out)
	p.slab = append(p.slab[:0], p.slab[end:]...)
	p.ends = p.ends[:0]
	return nil
}

// follow takes the client's confirms until it closes the channel.
func (p *publisher) follow(confirms stream.ChannelPublishConfirm) {
	for all := range confirms {
		p.confirmed(all)
	}
}

func (p *publisher) confirmed(all []*stream.ConfirmationStatus) {
	var events []broker.Event
	var last *broker.Confirmed
	var trouble error
	n := 0
	for _, status := range all {
		if status == nil {
			continue
		}
		if !status.IsConfirmed() {
			trouble = refused(status.GetError(), trouble)
			continue
		}
		n++
		sequence := status.GetMessage().(*message).sequence
		if last != nil && sequence == last.Last+1 {
			last.Last = sequence
			continue
		}
		last = &broker.Confirmed{First: sequence, Last: sequence}
		events = append(events, last)
	}
	p.mu.Lock()
	p.unconfirmed -= n
	p.alive = true
	if p.trouble == nil {
		p.trouble = trouble
	}
	over := p.state == over
	p.mu.Unlock()
	if trouble != nil {
		p.poke()
	}
	if !over && len(events) > 0 {
		p.Tell(events...)
	}
}

// refused is an error of one record. The client makes some up for what is unconfirmed when it closes a session, which is told by other means.
func refused(err, before error) error {
	if before != nil || errors.Is(err, stream.ConfirmationTimoutError) || errors.Is(err, stream.AlreadyClosed) {
		return before
	}
	return err
}
