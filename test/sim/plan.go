package sim

import (
	"fmt"
	"time"

	"github.com/d2e2d648/weir/actors"
	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/supervisor"
)

const channelName = "c"

// plan is the configuration of a schedule. It is drawn, too: each seed has its own, for some bugs show in few configurations only.
type plan struct {
	writers, readers             int
	writersCreate, readersCreate bool

	window, windowBytes, poll, prefetch int
	ordered, compat                     bool
	noStatus, noMetrics                 bool
	grace, health, stall                time.Duration
	maxLength                           int // of the queue: it nacks when it is full; 0: never

	records     int // of all writers
	batch       int // most records of a Write
	atOnce      int // Writes of a writer that are under way at a time
	recordSize  int
	writePace   time.Duration
	readPace    time.Duration
	awaited     int // one of so many Writes is; 0: none
	withdrawals int // one of so many Writes has a context that ends; 0: none
	idle        bool
	span        time.Duration // in which most faults fall
	faults      int
	deletes     bool // the last to close deletes
	stream      bool // in place of the queue
	subEntries  int
	group       bool // the readers are one
	fanOut      bool // each of its members has a queue to itself
	rough       bool // faults go on while the last end closes
}

func pick[T any](w *World, of ...T) T { return of[w.rng.IntN(len(of))] }

func (w *World) oneOf(n int) bool { return w.rng.IntN(n) == 0 }

func drawPlan(w *World) plan {
	p := plan{
		writers: pick(w, 1, 1, 2), readers: pick(w, 1, 1, 2),
		window: pick(w, 1, 12, 20, 64, 1000), windowBytes: pick(w, 600, 5000, 0, 0), poll: pick(w, 1, 7, 30), prefetch: pick(w, 1, 5, 20, 50),
		ordered: w.oneOf(2), compat: w.oneOf(4), noStatus: w.oneOf(3), noMetrics: w.oneOf(3),
		grace: pick(w, 0, 25*time.Second, 25*time.Second), health: pick(w, 600*time.Millisecond, 2*time.Second, 0), stall: pick(w, 500*time.Millisecond, 5*time.Second, 0),
		records: pick(w, 20, 80, 150), batch: pick(w, 1, 12, 40), atOnce: pick(w, 1, 3, 8), recordSize: pick(w, 16, 16, 200),
		writePace: 10 * time.Millisecond, readPace: 8 * time.Millisecond, span: 250 * time.Millisecond,
		withdrawals: pick(w, 0, 0, 3, 10), faults: 2 + w.rng.IntN(4), deletes: w.oneOf(4),
	}
	who := w.rng.IntN(3)
	p.writersCreate, p.readersCreate = who != 0, who != 1
	if p.ordered && p.readers == 2 {
		p.readersCreate, p.compat = true, false // else each would want the queue for itself alone
	}
	if w.oneOf(8) {
		p.maxLength = 10
	}
	w.slack = pick(w, 0, 3*time.Millisecond, 50*time.Millisecond, 300*time.Millisecond)
	switch w.rng.IntN(4) {
	case 0: // slow users
		p.writePace, p.readPace, p.span = 3*time.Second, 500*time.Millisecond, 40*time.Second
	case 1: // eager ones
		p.writePace, p.readPace, p.span = 10*time.Microsecond, 10*time.Microsecond, 20*time.Millisecond
	}
	if w.oneOf(16) { // an idle channel, and outages long apart
		p.idle, p.records, p.span, p.faults, p.health = true, 20, 8*time.Minute, 2+w.rng.IntN(3), 0
	}
	if !p.compat && p.maxLength == 0 && w.oneOf(3) {
		p.stream, p.subEntries = true, pick(w, 0, 0, 5)
	}
	p.awaited = pick(w, 0, 1, 1, 2)
	if p.readers == 2 && w.oneOf(2) {
		p.group = true
		p.fanOut = !p.stream && !p.ordered && !p.noStatus && p.maxLength == 0 && w.oneOf(2)
	}
	p.rough = w.oneOf(4)
	return p
}

// onStream is the config's Stream.
func (p *plan) onStream() *supervisor.Stream {
	if !p.stream {
		return nil
	}
	return &supervisor.Stream{SubEntries: p.subEntries}
}

// settle ends what aims have left undone.
func (p *plan) settle() {
	if p.readers != 2 {
		p.group, p.fanOut = false, false
	}
	if p.fanOut { // nobody writes before all queues are there: a writer sees that by the status streams, which are declared last
		p.writersCreate, p.readersCreate, p.noStatus, p.compat = false, true, false, false
	}
	if p.ordered && p.readers == 2 {
		p.readersCreate, p.compat = true, false // else each would want the queue for itself alone
	}
	if p.ordered && p.readers == 2 && p.group {
		p.group = false // only its principal declares
	}
}

// queues are the data queues.
func (p *plan) queues() []string {
	if p.fanOut {
		return []string{actors.DataQueue(channelName, 0), actors.DataQueue(channelName, 1)}
	}
	return []string{channelName}
}

// views is how many readings of everything there are: the readers share a queue, and each has a stream to itself, or in fan-out a queue.
func (p *plan) views() int {
	if p.stream || p.fanOut {
		return p.readers
	}
	return 1
}

func (p *plan) String() string {
	return fmt.Sprintf("%+v", *p)
}

// graceWindow is the window with its default filled in.
func (p *plan) graceWindow() time.Duration {
	if p.grace == 0 {
		return time.Minute
	}
	return p.grace
}

// resources are nil, so that they are derived from the name, unless the queue is to be bounded.
func (p *plan) resources() *actors.Resources {
	if p.maxLength == 0 {
		return nil
	}
	r := &actors.Resources{Exchange: channelName, ExchangeKind: broker.Direct, Queue: channelName, Queues: []string{channelName},
		Dead: channelName + ".dead", DeadOptions: broker.QueueOptions{Type: broker.Quorum},
		QueueOptions: broker.QueueOptions{Type: broker.Quorum, DeliveryLimit: 100, DeadLetterTo: channelName + ".dead", SingleActiveConsumer: p.ordered,
			MaxLength: p.maxLength}}
	if !p.noStatus {
		r.ReaderStatus, r.WriterStatus = channelName+".reader.status", channelName+".writer.status"
		r.StatusOptions = broker.QueueOptions{Type: broker.Stream}
	}
	return r
}
