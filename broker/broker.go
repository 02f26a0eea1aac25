// Package broker is the port: what an actor needs of a message broker, and nothing else.
//
// The port is event-driven. An actor asks for something and goes on; what comes of it arrives later as an [Event] at the
// session's [Sink], which only sends the actor a message. Three implementations exist, broker/embedded (in process), broker/rabbitmq
// (AMQP 0-9-1) and broker/rabbitstream (streams, over RabbitMQ's stream protocol); broker/brokertest holds each against the rules below,
// which it cites by number.
//
//  1. No method blocks and none returns an error. Every method may be called from any goroutine.
//  2. A session's sink is called by one goroutine at a time and never from inside a method of the port.
//     A sink must not block.
//  3. The first event of a session is Opened or Ended. Ended comes exactly once, unless the session was aborted, and is the last.
//  4. A session is used once: it never reconnects, and after Ended its methods do nothing.
//  5. Abort, of a session or of its lease, ends it now and without a flush. Nothing need be told any more; what was under
//     way may still arrive, so the sink's owner addresses events by incarnation. Opening on an aborted lease never tells Opened.
//  6. Record sequences are the caller's and absolute: they go on over sessions. Delivery tags are the session's: they
//     start at 1 and have no gaps.
//  7. Confirmed means that the broker has taken responsibility. Ranges may come in any order, but each says only records that
//     this session published. A returned or negatively acknowledged record is Refused, is told so before anything says otherwise,
//     and is never in a Confirmed of the same publishing.
//  8. Publishing more than PublisherConfig.Window unconfirmed records ends the session with ErrWindow.
//  9. Ack and Reject of tag 0 or of a tag that was not delivered yet end the session with ErrTag. Settling a tag a second time does nothing.
//  10. Blocked tells a publisher that the broker's alarm went on or off, also when it is on at the opening. Publishing stays allowed
//     within the window; the session holds what it cannot send. Streams know only the disk's alarm, and over their protocol RabbitMQ tells nothing of it, so neither
//     does that port: while it is on, nothing is confirmed.
//  11. Delivered carries consecutive tags, at most ConsumerConfig.MaxBatch of them, and the session never waits to fill it.
//     Its slice and bodies are the receiver's.
//  12. At most ConsumerConfig.Prefetch deliveries of a session are unsettled, of a stream's, too: there settling is nothing but credit (but see rule 22).
//  13. What a session had unsettled when it ended is delivered again, marked Redelivered, to whoever consumes the queue. A stream keeps all its records
//     and no account of who had which: nothing of it is ever marked, and what comes again is decided by where a session begins (rule 22).
//  14. When its queue is deleted, a consumer gets Ended with ErrNotFound, and so does a publisher with a Name. Over the stream protocol so does every
//     publisher, and opening on a missing stream ends so.
//  15. Publisher.Close sends what was published before, then ends with Ended{nil}. It does not wait for confirms: what is unconfirmed then is unknown.
//  16. Consumer.Close stops deliveries and makes certain that the broker has every Ack made before, then ends with Ended{nil}.
//  17. A request's done is called exactly once, by one goroutine, unless its lease is aborted first; then at most once.
//  18. Publish, Ack and Reject before Opened do nothing.
//  19. An event may come as itself or within a [Pending], which says once that there is something: its Take gives all that gathered until then.
//  20. Each Inspect of an open session is answered by one Inspected, in their order, unless the session is closed, aborted or ends before. It comes behind
//     every delivery that the broker had handed to this session before it counted: so Ready 0 with nothing delivered means that nothing is left
//     but what consumers hold, and with Consumers 1 nothing but what this one holds. What they hold unsettled does not count, and what this session rejected just before need not count yet.
//     Before Opened and after Close or Ended Inspect does nothing. Of a stream Ready is what is there
//     behind the last record that this session was told of, where the port knows names (rule 22), and Consumers need not count others; else it is the broker's own figure and of no use (RabbitMQ says 0,
//     whatever is there). A session that consumes a stream without ConsumerConfig.Stream ends with ErrWrongType, at the latest at its first delivery.
//  21. With PublisherConfig.Name the broker remembers, for the stream and that name and over sessions, the greatest sequence that it has. Opened says which
//     (LastSequence; 0: none). What is published with a sequence at or below it is confirmed and not stored again. So the sequences of a name must rise,
//     and one publisher has it at a time: of two that share it, the broker confirms records that it drops.
//  22. With ConsumerConfig.Name the broker keeps, for the stream and that name and over sessions, an offset. Ack(tag, true) stores the tag's (a tenth of a
//     second later, so that many are one; Close stores the last before it ends, rule 16). A session begins behind the one that is stored, or where
//     Stream says when there is none or IgnoreStored is set. A port that knows names says in Opened where a session on a stream begins (Next), where the stream ends (End) and what is stored (Stored): with Mark
//     so much as is there before, so that who finds nothing later knows that the stream was made anew, or cut off in front behind it. Who may not store (RabbitMQ 3.10 wants the permission to write) finds 0. Ack of one tag and Reject store nothing. So what was delivered and is not below a stored offset comes again to the next session
//     of that name.
package broker

// Port gives out leases. One incarnation of an actor gets one lease and reaches the broker through nothing else.
// A Port is safe for concurrent use.
type Port interface {
	// Lease makes a lease. The owner's name, such as "orders/data-consumer-7", names it in logs and at the broker.
	Lease(owner string) Lease
}

// Lease is everything that one incarnation has open at the broker. Whoever made it, the supervisor, can end it all without the
// incarnation's help.
type Lease interface {
	// Do starts one request; done gets its result (rule 17). Requests of one lease are carried out in their order.
	Do(request Request, done func(Result))
	OpenPublisher(config PublisherConfig, sink Sink) Publisher
	OpenConsumer(config ConsumerConfig, sink Sink) Consumer
	// Abort ends every session and request of the lease (rule 5). Idempotent.
	Abort()
}

// Sink takes the events of one session (rule 2).
type Sink func(Event)

// Publisher is one publishing session.
type Publisher interface {
	// Publish hands a batch over; it is immutable from now on.
	Publish(batch Batch)
	Close()
	Abort()
}

// Consumer is one consuming session.
type Consumer interface {
	// Ack acknowledges the tag, or with multiple every unsettled tag up to and including it.
	Ack(tag uint64, multiple bool)
	// Reject gives one tag back: requeued, or else dead-lettered where the queue has a dead-letter target and dropped where it has none.
	Reject(tag uint64, requeue bool)
	// Inspect asks how many records are ready in the session's queue (rule 20).
	Inspect()
	Close()
	Abort()
}

// PublisherConfig says where a session publishes and how. Everything in it is constant over the session.
type PublisherConfig struct {
	// Exchange and RoutingKey are where records go. Exchange "" is the default exchange: the routing key names a queue.
	// Opening does not check that they exist; publishing to a missing exchange ends the session with ErrNotFound.
	Exchange, RoutingKey string
	// Window is the most records that may be unconfirmed, at least 1 (rule 8).
	Window int
	// ContentEncoding is the property of that name for each record that has none of its own; "" for none.
	ContentEncoding string
	// AppID, when set, travels in each record's app_id, and the record's sequence in its message_id (decimal). A port uses it to tell
	// which record was returned; without it a returned record ends the session with ErrReturned.
	AppID string
	// Name, when set, is the stable name of rule 21, at most 255 bytes. RoutingKey names the stream, Exchange is "" and SubEntries 0, else the session ends
	// with ErrMisuse; so it does at a port that has no such names (AMQP): a writer that counts on them must not find its records twice.
	Name string
	// SubEntries, when above 1, is how many records the stream protocol packs into one entry: more throughput, at the price of deduplication. At most 65535.
	// A port that knows no entries publishes as without.
	SubEntries int
}

// ConsumerConfig says what a session consumes and how.
type ConsumerConfig struct {
	Queue string
	// Prefetch is the most unsettled deliveries, 1 to 65535.
	Prefetch int
	// MaxBatch is the most records in one Delivered, at least 1.
	MaxBatch int
	// Exclusive asks to be the queue's only consumer; while another is there, opening ends with ErrInUse.
	Exclusive bool
	// Own has the session make the queue, a classic one that is not durable: it is the session's alone, and goes with it, with its connection, or with the node that it is on. While another session has it, opening ends
	// with ErrInUse. Nobody else can inspect or delete it.
	Own bool
	// Stream, when set, consumes the queue as a stream from that offset. The queue must be a stream (else ErrWrongType).
	Stream *StreamOffset
	// Name, when set, is the stable name of rule 22, at most 255 bytes. Stream must be set, else the session ends with ErrMisuse; so it does at a port that has
	// no such names (AMQP).
	Name string
	// IgnoreStored begins where Stream says, whatever offset is stored under Name. It goes on storing all the same.
	IgnoreStored bool
	// Mark has the session store under Name, where nothing is stored, the offset before the one at which it begins, if there is one.
	Mark bool
	// Background says that the session is in no hurry and short: a port may let it wait while others are opened, and open only a few such at a time.
	Background bool
	// Properties asks for Record.Properties of deliveries. Left out, they are nil: decoding them costs an allocation a record.
	Properties bool
}

// Batch is a run of records with consecutive sequences.
type Batch struct {
	First   uint64 // sequence of Records[0], at least 1
	Records []Record
}

// Last is the sequence of the batch's last record. The batch must not be empty.
func (b Batch) Last() uint64 { return b.First + uint64(len(b.Records)) - 1 }

// Record is a message without the place where it goes to or comes from. It is immutable once handed over.
type Record struct {
	Body []byte
	// Properties may be nil: none.
	Properties *Properties
	// Offset is the record's place in its stream. Only deliveries of a stream have one.
	Offset uint64
	// Redelivered says that the record may have been delivered before. Only deliveries have it.
	Redelivered bool
}

// Properties are what travels beside a body. Empty fields are absent on the wire.
type Properties struct {
	ContentEncoding string
	// AppID and MessageID are set by the session where PublisherConfig.AppID is.
	AppID, MessageID string
	// Headers are for tracing only: a header table costs a fifth to a half of the CPU of a small record. Values are strings.
	Headers []Header
}

// Header is one entry of a record's header table.
type Header struct{ Key, Value string }
