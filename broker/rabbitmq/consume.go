package rabbitmq

import (
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/d2e2d648/weir/broker"
)

// consumer is one consuming session. The session's lock guards account, kept, stream, waits and inspection; the rest is the reader's, see deliver.go.
// handing keeps deliveries in their order: the reader and the flusher hold it while they tell some, which no method of the port does.
type consumer struct {
	session
	config broker.ConsumerConfig
	tag    string // at the broker, where the owner's name can be seen in it

	account settlement
	handing sync.Mutex
	kept    []broker.Event // deliveries beyond the prefetch, see hand
	stream  bool           // what it consumes is one
	thin    uint64         // so many acknowledgements do not wait
	waits   bool           // with acknowledgements for others, see later
	inspection

	refused atomic.Bool // basic.consume was answered by 403
	looked  bool        // the opening's, see whyRefused

	delivery
}

func newConsumer(config broker.ConsumerConfig, owner string) *consumer {
	c := &consumer{config: config, account: newSettlement(), thin: uint64(max(1, config.Prefetch/10))}
	c.stream = config.Stream != nil
	c.behind = config.Background
	c.patience = requestTime
	c.what = "consume queue " + strconv.Quote(config.Queue)
	c.tag = owner[:min(len(owner), 200)]
	c.self = c
	return c
}

// check says what of the configuration is impossible.
func (c *consumer) check() error {
	switch n := &c.config; {
	case n.Queue == "" || len(n.Queue) > 255:
		return misuse(c.what, "a queue's name has 1 to 255 bytes")
	case n.Prefetch < 1 || n.Prefetch > 65535:
		return misuse(c.what, "the prefetch is %d: use 1 to 65535", n.Prefetch)
	case n.MaxBatch < 1:
		return misuse(c.what, "MaxBatch is %d: use at least 1", n.MaxBatch)
	case n.Own && n.Stream != nil:
		return misuse(c.what, "a session's own queue is no stream")
	case n.Name != "":
		return misuse(c.what, "the name %q: only the stream protocol has names", n.Name)
	}
	return nil
}

// own declares the session's own queue: its connection's alone, and no longer there than its consumer. Should there never be one, it goes by itself, lest the connection keep it.
func (c *consumer) own() error {
	_, err := c.amqp.QueueDeclare(c.config.Queue, false, true, true, false, amqp.Table{"x-queue-type": string(broker.Classic), "x-expires": ownUnused.Milliseconds()})
	if err != nil {
		return failure(c.what, requestKind(err, queueDeclare), err)
	}
	return nil
}

// ownUnused is how long a session's own queue may be without its consumer.
const ownUnused = 10 * time.Second

// setup sends basic.qos (60,10) and basic.consume (60,20).
func (c *consumer) setup() error {
	if c.config.Own {
		if err := c.own(); err != nil {
			return err
		}
	}
	if err := c.amqp.Qos(c.config.Prefetch, 0, false); err != nil {
		return failure(c.what, requestKind(err, 0), err)
	}
	_, err := c.amqp.Consume(c.config.Queue, c.tag, false, c.config.Exclusive || c.config.Own, false, false, streamArguments(c.config.Stream))
	switch {
	case err == nil:
		return nil
	case c.refused.Load():
		return c.whyRefused(err)
	}
	return failure(c.what, requestKind(err, basicConsume), err)
}

func streamArguments(from *broker.StreamOffset) amqp.Table {
	if from == nil {
		return nil
	}
	var offset any
	switch from.From {
	case broker.FromLast:
		offset = "last"
	case broker.FromNext:
		offset = "next"
	case broker.FromOffset:
		offset = int64(from.Offset)
	case broker.FromTime:
		offset = from.Time
	default:
		offset = "first"
	}
	return amqp.Table{offsetArgument: offset}
}

const offsetArgument = "x-stream-offset"

var (
	errTryAgain  = errors.New("refused, though nobody consumes the queue now")
	errExclusive = errors.New("another consumer is there, and one of the two is exclusive")
)

// whyRefused tells the two meanings of 403 to basic.consume apart: RabbitMQ answers with it when reading is not permitted, and when a consumer is there
// that is exclusive or keeps this one from being so. Only a look at the queue tells: where somebody consumes it, it is taken for the second.
// Where nobody does, the other may just have left: so once more, and the second time it is the permission.
func (c *consumer) whyRefused(refusal error) error {
	again := c.looked
	c.looked = true
	c.refused.Store(false)
	ch, _, err := c.link.open()
	if err != nil {
		return failure(c.what, requestKind(err, 0), err)
	}
	defer ch.Close()
	queue, err := ch.QueueDeclarePassive(c.config.Queue, true, false, false, false, nil)
	switch {
	case err != nil:
		return failure(c.what, requestKind(err, queueDeclare), err)
	case queue.Consumers > 0:
		return failure(c.what, broker.ErrInUse, fmt.Errorf("%w: %w", errExclusive, refusal))
	case again:
		return failure(c.what, broker.ErrPermission, refusal)
	}
	return errTryAgain
}

// Ack is the port's.
func (c *consumer) Ack(tag uint64, multiple bool) {
	c.settle(tag, func() { c.account.ack(tag, multiple) })
}

// Reject is the port's. A stream keeps its records anyway: there it is an acknowledgement, for basic.reject (60,90) would end the connection (540).
func (c *consumer) Reject(tag uint64, requeue bool) {
	c.settle(tag, func() {
		if c.stream {
			c.account.ack(tag, false)
		} else {
			c.account.reject(tag, requeue)
		}
	})
}

func (c *consumer) settle(tag uint64, note func()) {
	c.mu.Lock()
	if c.state != open {
		c.mu.Unlock()
		return
	}
	if !c.account.known(tag) {
		c.mu.Unlock()
		c.endLater(failure(c.what, broker.ErrTag, fmt.Errorf("%w: %d of %d", broker.ErrTag, tag, c.account.handed)))
		return
	}
	note()
	now := c.account.urgent() || c.account.due() >= c.thin || len(c.kept) > 0
	wait := !now && !c.waits && c.account.due() > 0
	c.waits = c.waits || wait
	stream := c.stream
	c.mu.Unlock()
	switch w := c.link.wire; {
	case now:
		w.say(c)
	case wait && stream:
		w.streamAcks.add(c)
	case wait:
		w.acks.add(c)
	}
}

// late ends the waiting, and says whether there still is something to acknowledge.
func (c *consumer) late() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waits = false
	return c.state == open && c.account.due() > 0
}

func (c *consumer) idle() bool { return !c.account.urgent() && c.account.due() == 0 }

func (c *consumer) drop() {
	c.kept = nil
	if c.watch != nil {
		c.watch.Stop()
	}
}

func (c *consumer) held() {}

// encode appends all acknowledgements that wait and the question of an inspection, and has the channel closed behind them when Close was called.
func (c *consumer) encode(out []byte, _ int) (_ []byte, more bool) {
	c.mu.Lock()
	if c.state == open || c.state == closing {
		out = c.account.encode(out, c.channel)
	}
	if c.state == open {
		out = c.inquire(out)
	}
	if c.state == closing {
		c.partLocked()
	}
	kept := len(c.kept) > 0
	c.mu.Unlock()
	if kept {
		c.hand(nil)
	}
	return out, false
}

// Abort is rule 5. What was acknowledged before is still told to the broker, if the connection lives: it costs nobody any waiting, and
// spares duplicates.
func (c *consumer) Abort() {
	c.Silence()
	if c.beginClose() {
		c.link.wire.say(c)
		c.lease.forget(&c.session)
		return
	}
	c.leave()
}
