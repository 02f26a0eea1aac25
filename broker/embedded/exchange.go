package embedded

import (
	"fmt"
	"slices"

	"github.com/d2e2d648/weir/broker"
)

// exchange routes by its bindings, in their order. The default exchange "" has none: its routing keys are names of queues.
type exchange struct {
	kind     broker.ExchangeKind
	bindings []binding
}

type binding struct {
	key   string
	queue *queue
}

func (e *exchange) bind(to binding) {
	if !slices.Contains(e.bindings, to) {
		e.bindings = append(e.bindings, to)
	}
}

// route gives each queue that gets the record, once. The slice is good until the next call.
func (b *Broker) route(name, key string) ([]*queue, error) {
	b.targets = b.targets[:0]
	if name == "" {
		if q := b.queues[key]; q != nil {
			b.targets = append(b.targets, q)
		}
		return b.targets, nil
	}
	e := b.exchanges[name]
	if e == nil {
		return nil, fmt.Errorf("exchange %q: %w", name, broker.ErrNotFound)
	}
	for _, to := range e.bindings {
		if (e.kind == broker.Fanout || to.key == key) && !slices.Contains(b.targets, to.queue) {
			b.targets = append(b.targets, to.queue)
		}
	}
	return b.targets, nil
}
