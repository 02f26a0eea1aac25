package process

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/d2e2d648/weir"
	"github.com/d2e2d648/weir/broker/rabbitmq"
	"github.com/d2e2d648/weir/broker/rabbitstream"
	"github.com/d2e2d648/weir/messages"
)

// childEnv makes the test binary a child that does what the JSON in it says.
const childEnv = "WEIR_TEST_PROCESS"

// spec is what a child is to do.
type spec struct {
	Reads          bool // else it writes
	URL, StreamURL string
	Channel, Name  string
	Stream         bool
	Poll, Prefetch int
	Hold           int           // batches that a reader has in hand before it commits the first of them
	Flood, Window  int           // records: a flood to be written or read, see flood_test.go; of a writer 0 for the default
	CloseWithin    time.Duration // what its end may take
	Watch          bool          // says each dial and each failure of a part
}

// order is what the parent tells a child, by standard input. When that ends, the child ends in order.
type order struct {
	First  int // of a writer's records: the number of the first one
	Bodies [][]byte
	Go     bool // of a child that a flood is for: begin to write, or read on
	Look   bool // say how many records wait
}

// word is what a child says, a line each.
type word struct {
	Says     says
	First, N int            // of the records that it is about; a reader's are counted from the beginning of its life
	Bodies   [][]byte       `json:",omitempty"` // of what was delivered
	Offset   uint64         `json:",omitempty"` // of the last record, on a stream
	Again    int            `json:",omitempty"` // records that are marked as redelivered
	Outcomes []weir.Outcome `json:",omitempty"` // of what was not confirmed as a whole
	Part     string         `json:",omitempty"`
	Err      string         `json:",omitempty"`
	Left     left
}

// left is what a *weir.CloseError says.
type left struct{ Unconfirmed, NotSent, Unacknowledged int }

type says string

const (
	connected says = "connected" // the broker has answered; no channel is open yet
	ready     says = "ready"     // the channel is open
	sending   says = "sending"   // before the records are handed to weir
	settled   says = "settled"   // behind the end of their write
	delivered says = "delivered" // before anything of them can be committed
	commits   says = "commits"   // before the commit: one that is killed then may have committed
	committed says = "committed" // behind the commit
	ending    says = "ending"    // it was told to end, and takes nothing more in
	ended     says = "ended"     // behind all closes
	alarmed   says = "alarmed"   // the broker takes no records, or does again
	dials     says = "dials"     // a connection is about to be made
	failed    says = "failed"    // a part of the channel has failed
	works     says = "works"     // a part of the channel is ready
	waiting   says = "waiting"   // an answer: so many records are unconfirmed, or delivered and not handed over
	done      says = "done"      // the whole flood is confirmed, or committed
)

// child is a process that uses weir as a program of a user would.
type child struct {
	spec
	rt     *weir.Runtime
	orders chan order // closed when there are no more

	mu  sync.Mutex
	out io.Writer
}

// say says a word before it returns: what is written is the pipe's, and outlives this process. One that is killed while it writes leaves a line without its end, which does not count.
func (c *child) say(w word) {
	line, err := json.Marshal(&w)
	if err != nil {
		panic(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, err := c.out.Write(append(line, '\n')); err != nil {
		panic(err) // nobody is there to judge
	}
}

// beChild is the whole program of a child, and gives its exit status.
func beChild(text string) int {
	c := &child{out: os.Stdout, orders: make(chan order)}
	if err := json.Unmarshal([]byte(text), &c.spec); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	go c.listen()
	if err := c.live(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// listen hands on what the parent tells.
func (c *child) listen() {
	defer close(c.orders)
	in := json.NewDecoder(bufio.NewReaderSize(os.Stdin, 1<<16))
	for {
		var o order
		if in.Decode(&o) != nil {
			return
		}
		c.orders <- o
	}
}

func (c *child) live(ctx context.Context) (err error) {
	if c.rt, err = c.open(ctx); err != nil {
		return err
	}
	c.say(word{Says: connected})
	switch {
	case c.Reads && c.Flood > 0:
		return c.readFlood(ctx)
	case c.Flood > 0:
		return c.writeFlood(ctx)
	case c.Reads:
		return c.readAll(ctx)
	}
	return c.writeAll(ctx)
}

// open makes the runtime. Credentials are asked for at every dial.
func (c *child) open(ctx context.Context) (*weir.Runtime, error) {
	config, err := rabbitmq.FromURL(c.URL)
	if err != nil {
		return nil, err
	}
	streams, err := rabbitstream.FromURL(c.StreamURL)
	if err != nil {
		return nil, err
	}
	if c.Watch {
		login := config.Credentials
		counts := func(context.Context) (rabbitmq.Credentials, error) {
			c.say(word{Says: dials})
			return login, nil
		}
		config.Credentials, streams.Credentials = rabbitmq.Credentials{}, rabbitmq.Credentials{}
		config.CredentialsFunc, streams.CredentialsFunc = counts, counts
	}
	rt, err := weir.OpenConfig(ctx, config, weir.StreamsAt(streams))
	if err == nil && c.Watch {
		go c.watch(rt.Subscribe())
	}
	return rt, err
}

// watch says what happens to the channel.
func (c *child) watch(events *weir.Subscription) {
	for event := range events.All(context.Background()) {
		switch event := event.(type) {
		case *messages.ChildFailed:
			c.say(word{Says: failed, Part: string(event.Child), Err: event.Err.Error()})
		case *messages.ChildReady:
			c.say(word{Says: works, Part: string(event.Child)})
		case *messages.AlarmChanged:
			c.say(word{Says: alarmed})
		}
	}
}

func (c *child) options() []weir.Option {
	options := []weir.Option{weir.Name(c.Name)}
	if c.Stream {
		options = append(options, weir.Stream())
	}
	if c.Reads {
		return append(options, weir.Poll(c.Poll), weir.Prefetch(c.Prefetch))
	}
	return append(options, weir.Create(), weir.Window(c.Window, 0))
}

// end closes everything within the time that the child has for it, says what was left, and gives it.
func (c *child) end(closes func(context.Context) error, behind func()) error {
	ctx, cancel := context.WithTimeout(context.Background(), c.CloseWithin)
	defer cancel()
	err := closes(ctx)
	behind()
	w := word{Says: ended}
	var unfinished *weir.CloseError
	if errors.As(err, &unfinished) {
		w.Left = left{unfinished.Unconfirmed, unfinished.NotSent, unfinished.Unacknowledged}
	}
	if err = errors.Join(err, c.rt.Close(ctx)); err != nil {
		w.Err = err.Error()
	}
	c.say(w)
	return err
}

// writeAll writes what it is told, as much at once as the window allows, until it is told to end.
func (c *child) writeAll(ctx context.Context) error {
	w, err := weir.OpenWriter(ctx, c.rt, c.Channel, weir.Raw(), c.options()...)
	if err != nil {
		return err
	}
	c.say(word{Says: ready})
	under := make(chan sent, 1<<14)
	all := make(chan struct{})
	go func() {
		defer close(all)
		c.settle(under)
	}()
	for o := range c.told(ctx) {
		c.say(word{Says: sending, First: o.First, N: len(o.Bodies)})
		receipt, err := w.Send(ctx, o.Bodies...)
		under <- sent{o, receipt, err}
	}
	c.say(word{Says: ending})
	close(under)
	return c.end(w.Close, func() { <-all })
}

// told gives what is to be written, until there is no more or the child is told to end.
func (c *child) told(ctx context.Context) func(func(order) bool) {
	return func(yield func(order) bool) {
		for ctx.Err() == nil {
			select {
			case o, more := <-c.orders:
				if !more || !yield(o) {
					return
				}
			case <-ctx.Done():
			}
		}
	}
}

// sent is a write under way.
type sent struct {
	order
	receipt *weir.Receipt
	err     error // it was not admitted
}

// settle says how writes end.
func (c *child) settle(under <-chan sent) {
	for s := range under {
		err := s.err
		if err == nil {
			err = s.receipt.Wait(context.Background())
		}
		w := word{Says: settled, First: s.First, N: len(s.Bodies)}
		if err != nil {
			w.Err = err.Error()
		}
		if unconfirmed := (*weir.WriteError)(nil); errors.As(err, &unconfirmed) {
			w.Outcomes = unconfirmed.Outcomes
		}
		c.say(w)
	}
}

// readAll reads, and commits each batch when it has some more in hand, until it is told to end; then it commits what it has in hand.
func (c *child) readAll(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		for range c.orders {
		}
		stop()
	}()
	r, err := weir.OpenReader(ctx, c.rt, c.Channel, weir.Raw(), c.options()...)
	if err != nil {
		return err
	}
	c.say(word{Says: ready})
	hand := hand{child: c}
	for {
		batch, err := r.Read(ctx)
		if ctx.Err() != nil {
			break
		}
		if err != nil {
			return err
		}
		if err := hand.take(ctx, batch, c.Hold); err != nil && ctx.Err() == nil {
			return err
		}
	}
	c.say(word{Says: ending})
	return c.end(func(ctx context.Context) error { return errors.Join(hand.commit(ctx, 0), r.Close(ctx)) }, func() {})
}

// hand is what a reader was handed and has not committed.
type hand struct {
	*child
	taken   int // records in this life
	batches []inHand
}

type inHand struct {
	first int
	batch *weir.Batch[[]byte]
}

func (h *hand) take(ctx context.Context, b *weir.Batch[[]byte], hold int) error {
	w := word{Says: delivered, First: h.taken, N: len(b.Values), Bodies: b.Values, Offset: b.Records[len(b.Records)-1].Offset}
	for i := range b.Values {
		if b.Redelivered(i) {
			w.Again++
		}
	}
	h.say(w)
	h.batches = append(h.batches, inHand{h.taken, b})
	h.taken += len(b.Values)
	return h.commit(ctx, hold)
}

// commit commits all but so many batches.
func (h *hand) commit(ctx context.Context, but int) error {
	for len(h.batches) > but {
		b := h.batches[0]
		n := len(b.batch.Records)
		h.say(word{Says: commits, First: b.first, N: n})
		switch err := b.batch.Commit(ctx); {
		case err == nil:
			h.say(word{Says: committed, First: b.first, N: n, Offset: b.batch.Records[n-1].Offset})
		case !errors.Is(err, weir.ErrRedelivered):
			return err
		}
		h.batches = h.batches[1:]
	}
	return nil
}
