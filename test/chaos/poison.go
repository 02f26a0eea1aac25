package chaos

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/d2e2d648/weir/test/ledger"
)

// poisoned is what a raw publisher has put among the traffic. The run's lock guards it.
type poisoned struct {
	records  [][]byte
	statuses int // on each status stream
}

// poisonRecords are no Avro bytes: nothing, a length that does not end, is too large, negative or longer than what follows, bytes behind the end, and half a megabyte of one bit.
func poisonRecords() [][]byte {
	return [][]byte{
		{},
		{0x80},
		{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01},
		{0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00},
		{0x01},
		{0x0a, 'a'},
		{0x02, 'a', 'b'},
		bytes.Repeat([]byte{0xff}, 512<<10),
	}
}

// poisonStatuses are no statuses: no JSON, JSON of another kind, of another channel's endpoint, and more than a status may be.
func poisonStatuses() [][]byte {
	return [][]byte{
		{}, []byte("{"), []byte("null"), []byte("[1,2,3]"), []byte(`{"status":5}`), {0, 0xff, 0xfe}, append(bytes.Repeat([]byte(" "), 20<<10), "{}"...),
	}
}

// poison publishes all of it.
func (r *run) poison(ctx context.Context) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, ctlLimit)
	defer cancel()
	to := map[string][][]byte{r.channel: poisonRecords()}
	if !r.plan.NoStatus {
		to[r.channel+".reader.status"], to[r.channel+".writer.status"] = poisonStatuses(), poisonStatuses()
	}
	err := r.node.direct(func(ch *amqp.Channel) error {
		if err := ch.Confirm(false); err != nil {
			return err
		}
		returned := ch.NotifyReturn(make(chan amqp.Return, 1))
		for queue, bodies := range to {
			for _, body := range bodies {
				if err := publish(ctx, ch, returned, queue, body); err != nil {
					return fmt.Errorf("publish poison to %s: %w", queue, err)
				}
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.poisoned.records = poisonRecords()
	if !r.plan.NoStatus {
		r.poisoned.statuses += len(poisonStatuses())
	}
	return r.ledger.Now(), nil
}

// publish has one record confirmed. A broker that has just started returns what it cannot route yet, and confirms it all the same.
func publish(ctx context.Context, ch *amqp.Channel, returned <-chan amqp.Return, queue string, body []byte) error {
	for {
		confirm, err := ch.PublishWithDeferredConfirmWithContext(ctx, "", queue, true, false, amqp.Publishing{DeliveryMode: amqp.Persistent, Body: body})
		if err != nil {
			return err
		}
		switch acked, err := confirm.WaitContext(ctx); {
		case err != nil:
			return err
		case !acked:
			return errors.New("it was refused")
		}
		select {
		case <-returned: // it comes before the confirm
		default:
			return nil
		}
		select {
		case <-time.After(50 * time.Millisecond): // nobody announces it
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// poisonIsAccounted waits until all poison records are dead letters, of which there is nothing else, and every endpoint that hears a side has counted the statuses.
func (r *run) poisonIsAccounted(ctx context.Context) {
	r.mu.Lock()
	p := r.poisoned
	r.mu.Unlock()
	if p.records == nil {
		return
	}
	for {
		last := r.statusesAreCounted(p.statuses)
		if last == nil && !r.anythingDeleted() {
			last = r.deadLetters(p.records)
		}
		if last == nil {
			return
		}
		select {
		case <-time.After(300 * time.Millisecond): // nobody announces it
		case <-ctx.Done():
			r.bad("not healed: %v", last)
			return
		}
	}
}

func (r *run) anythingDeleted() (is bool) {
	r.ledger.Read(func(l *ledger.Log) { is = len(l.Deleted) > 0 })
	return is
}

func (r *run) statusesAreCounted(n int) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.readers {
		if is := r.badHeard[readerName(i)]; is < n {
			return fmt.Errorf("%s has counted %d bad statuses of %d", readerName(i), is, n)
		}
	}
	for i := range r.writers {
		if is := r.badHeard[writerName(i)]; is < n {
			return fmt.Errorf("%s has counted %d bad statuses of %d", writerName(i), is, n)
		}
	}
	return nil
}

// deadLetters compares them with the poison: each at least once, and nothing else.
func (r *run) deadLetters(want [][]byte) error {
	missing := map[string]bool{}
	for _, body := range want {
		missing[string(body)] = true
	}
	poison := len(missing)
	strange := 0
	err := r.node.direct(func(ch *amqp.Channel) error {
		for {
			m, more, err := ch.Get(r.channel+".dead", false)
			if err != nil || !more {
				return err
			}
			if body := string(m.Body); !isPoison(want, m.Body) {
				strange++
			} else {
				delete(missing, body)
			}
		}
	})
	switch {
	case err != nil:
		return err
	case strange > 0:
		return fmt.Errorf("%d records were dead-lettered that are no poison", strange)
	case len(missing) > 0:
		return fmt.Errorf("of %d poison records %d were not dead-lettered", poison, len(missing))
	}
	return nil
}

func isPoison(all [][]byte, body []byte) bool {
	for _, p := range all {
		if bytes.Equal(p, body) {
			return true
		}
	}
	return false
}
