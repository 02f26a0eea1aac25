package rabbitmq

import (
	"fmt"
	"strconv"
	"time"

	"github.com/d2e2d648/weir/broker"
)

// publisher is one publishing session.
//
// Batches wait in queue until the flusher encodes them. The reader gathers the broker's verdicts of one read in verdicts and applies them to
// the ledger together. The session's lock guards queue, waiting, ledger, pace and toldHold; encoder is the flusher's, the rest the reader's.
type publisher struct {
	session
	config broker.PublisherConfig

	queue    []broker.Batch
	waiting  int // records in it
	ledger   ledger
	pace     pace
	toldHold bool // Blocked, as it was told last

	encoder *encoder

	verdicts  []verdict
	content   bool // the header and the body of a basic.return follow
	left      uint64
	confirmed ranges
	nacked    ranges
	returned  ranges
}

// verdict is a basic.ack, basic.nack or basic.return of the broker.
type verdict struct {
	kind     uint32 // the method
	n        uint64 // the tag; of a return the sequence, 0 when it is unknown
	multiple bool
}

func newPublisher(config broker.PublisherConfig) *publisher {
	p := &publisher{config: config, ledger: newLedger(), pace: pace{limit: paceSpare}}
	p.what = "publish to exchange " + strconv.Quote(config.Exchange) + " with routing key " + strconv.Quote(config.RoutingKey)
	p.self = p
	return p
}

// check says what of the configuration is impossible.
func (p *publisher) check() error {
	c := &p.config
	if c.Window < 1 {
		return misuse(p.what, "the window is %d: use at least 1", c.Window)
	}
	if c.Name != "" {
		return misuse(p.what, "the name %q: only the stream protocol has names", c.Name)
	}
	for _, s := range []string{c.Exchange, c.RoutingKey, c.ContentEncoding, c.AppID} {
		if len(s) > 255 {
			return misuse(p.what, "a name of %d bytes: 255 are possible", len(s))
		}
	}
	return nil
}

// setup turns confirms on (85,10).
func (p *publisher) setup() error {
	if err := p.amqp.Confirm(false); err != nil {
		return failure(p.what, requestKind(err, 0), err)
	}
	return nil
}

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
	if err := p.admit(batch); err != nil {
		p.mu.Unlock()
		p.endLater(err)
		return
	}
	p.queue = append(p.queue, batch)
	p.waiting += len(batch.Records)
	may := p.room() > 0
	p.mu.Unlock()
	if may {
		p.link.wire.say(p)
	}
}

// admit takes the batch into the account. The lock is held.
func (p *publisher) admit(batch broker.Batch) error {
	if batch.First == 0 {
		return misuse(p.what, "a batch with the sequence 0")
	}
	for i := range batch.Records {
		if own := batch.Records[i].Properties; own != nil {
			if err := checkProperties(own, p.link.frameMax()); err != nil {
				return failure(p.what, broker.ErrMisuse, err)
			}
		}
	}
	if n := p.ledger.unsettled + len(batch.Records); n > p.config.Window {
		return failure(p.what, broker.ErrWindow, fmt.Errorf("%w: %d of %d", broker.ErrWindow, n, p.config.Window))
	}
	p.ledger.publish(batch.First, len(batch.Records))
	return nil
}

func (p *publisher) idle() bool { return len(p.queue) == 0 }

func (p *publisher) drop() { p.queue, p.waiting = nil, 0 }

// room says how many of the waiting records may go now: what a Close has to flush does not wait. The lock is held.
func (p *publisher) room() int {
	if p.state == closing {
		return p.waiting
	}
	return p.pace.room(p.waiting, p.ledger.unsettled-p.waiting)
}

// encode takes about budget bytes of records out of the queue, as far as the pace allows, and appends their frames.
func (p *publisher) encode(out []byte, budget int) (_ []byte, more bool) {
	if p.encoder == nil {
		p.encoder = newEncoder(p.channel, p.link.frameMax(), &p.config)
	}
	for room := p.start(); room > 0; {
		if budget <= 0 {
			return out, true
		}
		batch, last := p.next(budget, room)
		before := len(out)
		out = p.encoder.appendRecords(out, batch.First, batch.Records)
		room -= len(batch.Records)
		if budget -= len(out) - before; last {
			p.finish()
			break
		}
	}
	return out, false
}

// start says how many records go now, and has the first of them timed when none is.
func (p *publisher) start() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	room := p.room()
	if room > 0 && p.pace.idle() {
		p.pace.time(p.ledger.next-uint64(p.waiting), p.ledger.done(), time.Now())
	}
	return room
}

// next takes records out of the first batch: about size bytes of them, at most room. last says that there are no more.
func (p *publisher) next(size, room int) (part broker.Batch, last bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.queue) == 0 {
		return part, true
	}
	b := &p.queue[0]
	n := 0
	for n < min(room, len(b.Records)) && size > 0 {
		size -= p.encoder.size(&b.Records[n])
		n++
	}
	part = broker.Batch{First: b.First, Records: b.Records[:n]}
	p.waiting -= n
	if n < len(b.Records) {
		b.First += uint64(n)
		b.Records = b.Records[n:]
		return part, false
	}
	p.queue[0] = broker.Batch{}
	if p.queue = p.queue[1:]; len(p.queue) == 0 {
		p.queue = nil
	}
	return part, len(p.queue) == 0
}

// finish has the channel closed when Close was called and all has been encoded: channel.close goes out behind it.
func (p *publisher) finish() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.state == closing && len(p.queue) == 0 {
		p.partLocked()
	}
}

// held tells Blocked when it is not what was told last (rule 10).
func (p *publisher) held() {
	p.mu.Lock()
	on := p.keeper.hold.Load()
	changed := on != p.toldHold && (p.state == open || p.state == closing)
	if changed {
		p.toldHold = on
	}
	p.mu.Unlock()
	if changed {
		p.Tell(&broker.Blocked{On: on})
	}
}
