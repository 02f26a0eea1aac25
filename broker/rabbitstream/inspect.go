package rabbitstream

import (
	"errors"

	"github.com/d2e2d648/weir/broker"
)

// inspection is a consumer's part for rule 20. A scout asks for the end of the stream, and how much of it lies ahead is counted when the answer is told. What is
// asked while one is under way is for the next. The session's lock guards all.
type inspection struct {
	asked    int    // for the next scout
	scouting bool   // one is under way
	ahead    uint64 // the offset behind the last record that was told, or where the session begins
}

// Inspect is the port's.
func (c *consumer) Inspect() {
	c.mu.Lock()
	wake := c.state == open && !c.scouting
	if c.state == open {
		c.asked++
	}
	c.mu.Unlock()
	if wake {
		c.poke()
	}
}

// inspect sends a scout when there is something to ask. It does not wait for it: deliveries and credits go on.
func (c *consumer) inspect() {
	c.mu.Lock()
	n := c.asked
	if n == 0 || c.scouting {
		c.mu.Unlock()
		return
	}
	c.asked, c.scouting = 0, true
	c.mu.Unlock()
	c.port.begin(func() { c.scout(n) }) // a port that is closed ends the session
}

// scout finds out for n questions.
func (c *consumer) scout(n int) {
	end, err := c.end()
	if c.ctx.Err() != nil {
		return
	}
	if err == nil {
		c.hand()
		c.tellAhead(end, n)
	}
	c.mu.Lock()
	c.scouting = false
	if c.trouble == nil {
		c.trouble = err
	}
	wake := err != nil || c.asked > 0
	c.mu.Unlock()
	if wake {
		c.poke()
	}
}

// end is the offset of the stream's next record. Where the stream stays it is asked for twice: RabbitMQ 3.10 closes the connection of who subscribes while a
// segment is dropped, or the stream is.
func (c *consumer) end() (uint64, error) {
	q := question{stream: c.stream, from: &broker.StreamOffset{From: broker.FromNext}}
	f, err := c.port.look(c.ctx, q)
	if err != nil {
		if gone := c.unavailable(err); errors.Is(gone, broker.ErrNotFound) {
			return 0, gone
		}
		f, err = c.port.look(c.ctx, q)
	}
	switch {
	case err != nil:
		kind, _ := errorKind(err)
		return 0, failure(c.what, kind, err)
	case f.missing:
		return 0, failure(c.what, broker.ErrNotFound, nil)
	}
	return f.next, nil
}

// tellAhead answers n questions: no delivery is told between counting and telling.
func (c *consumer) tellAhead(end uint64, n int) {
	c.handing.Lock()
	defer c.handing.Unlock()
	c.mu.Lock()
	ready := int(max(end, c.ahead) - c.ahead)
	asked := c.state == open
	c.mu.Unlock()
	if !asked {
		return
	}
	for range n {
		c.Tell(&broker.Inspected{Ready: ready, Consumers: 1})
	}
}
