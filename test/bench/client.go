package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/hamba/avro/v2"
	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/d2e2d648/weir/test/rabbit"
)

// ends are a client's connections and channels to one queue of its own. Their methods end when the context does, or when close is called.
type ends interface {
	// write writes n records, each confirmed before it returns.
	write(ctx context.Context, w work, n int) error
	// fill writes n records for a read to come, by the fastest way.
	fill(ctx context.Context, n int) error
	// subscribe opens the reading end: the broker hands out as much as the prefetch allows.
	subscribe(ctx context.Context) error
	// read reads and acknowledges n records. seen, if not nil, is told each body.
	read(ctx context.Context, n int, seen func(body []byte)) error
	// post writes one record and does not wait for its confirmation; flush waits for all.
	post(ctx context.Context, body []byte) error
	flush(ctx context.Context) error
	// close also deletes the queue.
	close(ctx context.Context) error
}

// place is what a client works on.
type place struct {
	scene
	node   *rabbit.Node
	queue  string
	sub    int
	ahead  int // weir's prefetch
	body   []byte
	order  order
	schema avro.Schema
}

func (b *bench) place(s scene, w work) *place {
	b.queues++
	return &place{scene: s, node: b.node, queue: fmt.Sprintf("bench-%d", b.queues), sub: w.Sub, ahead: cmp.Or(w.Ahead, inFlight),
		body: make([]byte, s.Size), order: orderOf(s.Size), schema: orderSchema()}
}

func open(ctx context.Context, client string, p *place) (ends, error) {
	switch {
	case client == clientRaw:
		return openRaw(p)
	case client == clientStream:
		return openStream(p)
	case client == clientWatermill:
		return openWatermill(p)
	case p.Kind == streams:
		return openWeirStream(ctx, p)
	}
	return openWeirQueue(ctx, p)
}

// order is the record of the Avro cases. Its note makes it as long as the case wants.
type order struct {
	ID       int64   `avro:"id"`
	Customer string  `avro:"customer"`
	Total    float64 `avro:"total"`
	Items    []int32 `avro:"items"`
	Paid     bool    `avro:"paid"`
	Note     string  `avro:"note"`
}

const orderText = `{"type":"record","name":"Order","fields":[{"name":"id","type":"long"},{"name":"customer","type":"string"},{"name":"total","type":"double"},
	{"name":"items","type":{"type":"array","items":"int"}},{"name":"paid","type":"boolean"},{"name":"note","type":"string"}]}`

func orderSchema() avro.Schema { return avro.MustParse(orderText) }

// orderOf is an order of so many bytes, at least 64.
func orderOf(size int) order {
	o := order{ID: 123456789, Customer: "Zwölf & Söhne", Total: 99.95, Items: []int32{1, 22, 333}, Paid: true}
	for {
		body, err := avro.Marshal(orderSchema(), o)
		if err != nil {
			panic(err) // the schema and the type are constant
		}
		if len(body) >= size {
			return o
		}
		o.Note += strings.Repeat("x", max(1, size-len(body)-2))
	}
}

// encode and decode are what a user of a client that carries bytes does.
func (p *place) encode() ([]byte, error) {
	if p.Format == formatAvro {
		return avro.Marshal(p.schema, &p.order)
	}
	return p.body, nil
}

func (p *place) decode(body []byte) error {
	if p.Format != formatAvro {
		return nil
	}
	var o order
	return avro.Unmarshal(p.schema, body, &o)
}

// onChannel does something on an AMQP channel that is there for nothing else.
func (p *place) onChannel(do func(*amqp.Channel) error) error {
	conn, err := amqp.Dial(p.node.URL())
	if err != nil {
		return err
	}
	ch, err := conn.Channel()
	if err == nil {
		err = do(ch)
	}
	return errors.Join(err, conn.Close())
}

func (p *place) declareQueue() error {
	return p.onChannel(func(ch *amqp.Channel) error {
		_, err := ch.QueueDeclare(p.queue, true, false, false, false, amqp.Table{"x-queue-type": p.Kind})
		return err
	})
}

func (p *place) deleteQueue() error {
	return p.onChannel(func(ch *amqp.Channel) error {
		_, err := ch.QueueDelete(p.queue, false, false, false)
		return err
	})
}

// parts has n divided among so many, and what each part does joined.
func parts(n, among int, do func(n int) error) error {
	errs := make(chan error, among)
	for i := range among {
		share := n / among
		if i < n%among {
			share++
		}
		go func() { errs <- do(share) }()
	}
	var all error
	for range among {
		all = errors.Join(all, <-errs)
	}
	return all
}
