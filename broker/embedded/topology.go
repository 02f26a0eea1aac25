package embedded

import (
	"fmt"
	"slices"

	"github.com/d2e2d648/weir/broker"
)

// carryOut does one request.
func (b *Broker) carryOut(request broker.Request) (result broker.Result) {
	switch r := request.(type) {
	case broker.Probe:
	case broker.DeclareExchange:
		result.Err = b.declareExchange(r)
	case broker.DeclareQueue:
		return b.declareQueue(r)
	case broker.BindQueue:
		result.Err = b.bindQueue(r)
	case broker.InspectQueue:
		return b.inspectQueue(r.Name)
	case broker.InspectExchange:
		if r.Name != "" && b.exchanges[r.Name] == nil {
			result.Err = fmt.Errorf("inspect exchange %q: %w", r.Name, broker.ErrNotFound)
		}
	case broker.DeleteQueue:
		result.Err = b.deleteQueue(r)
	case broker.DeleteExchange:
		result.Err = b.deleteExchange(r)
	default:
		result.Err = fmt.Errorf("%w: request %T", broker.ErrMisuse, request)
	}
	return result
}

func (b *Broker) declareExchange(r broker.DeclareExchange) error {
	e := b.exchanges[r.Name]
	switch {
	case r.Name == "":
		return fmt.Errorf("declare the default exchange: %w", broker.ErrPermission)
	case r.Kind != broker.Direct && r.Kind != broker.Fanout:
		return fmt.Errorf("declare exchange %q: %w: kind %q", r.Name, broker.ErrMisuse, r.Kind)
	case e == nil:
		b.exchanges[r.Name] = &exchange{kind: r.Kind}
	case e.kind != r.Kind:
		return fmt.Errorf("declare exchange %q: %w: it is %s", r.Name, broker.ErrWrongType, e.kind)
	}
	return nil
}

func (b *Broker) declareQueue(r broker.DeclareQueue) broker.Result {
	q := b.queues[r.Name]
	switch {
	case r.Name == "":
		return broker.Result{Err: fmt.Errorf("declare queue: %w: no name", broker.ErrMisuse)}
	case q != nil && q.owned:
		return broker.Result{Err: fmt.Errorf("declare queue %q: %w", r.Name, errOwned)}
	case q == nil:
		b.queues[r.Name] = newQueue(b, r.Name, r.QueueOptions)
	case q.options != r.QueueOptions:
		return broker.Result{Err: fmt.Errorf("declare queue %q: %w", r.Name, broker.ErrWrongType)}
	}
	return b.inspectQueue(r.Name)
}

func (b *Broker) bindQueue(r broker.BindQueue) error {
	q, e := b.queues[r.Queue], b.exchanges[r.Exchange]
	switch {
	case r.Exchange == "":
		return fmt.Errorf("bind queue %q to the default exchange: %w", r.Queue, broker.ErrPermission)
	case q == nil:
		return fmt.Errorf("bind queue %q: %w", r.Queue, broker.ErrNotFound)
	case e == nil:
		return fmt.Errorf("bind queue %q to exchange %q: %w", r.Queue, r.Exchange, broker.ErrNotFound)
	}
	e.bind(binding{r.RoutingKey, q})
	if !slices.Contains(q.boundTo, e) {
		q.boundTo = append(q.boundTo, e)
	}
	return nil
}

func (b *Broker) inspectQueue(name string) broker.Result {
	q := b.queues[name]
	if q == nil {
		return broker.Result{Err: fmt.Errorf("inspect queue %q: %w", name, broker.ErrNotFound)}
	}
	if q.owned {
		return broker.Result{Err: fmt.Errorf("inspect queue %q: %w", name, errOwned)}
	}
	info := broker.QueueInfo{Ready: q.count()}
	if q.log == nil {
		info.Consumers = len(q.consumers)
	}
	return broker.Result{Queue: info}
}

func (b *Broker) deleteQueue(r broker.DeleteQueue) error {
	q := b.queues[r.Name]
	if q == nil {
		return nil
	}
	if q.owned {
		return fmt.Errorf("delete queue %q: %w", r.Name, errOwned)
	}
	if r.IfUnused && q.log == nil && len(q.consumers) > 0 {
		return fmt.Errorf("delete queue %q, which has %d consumers: %w", r.Name, len(q.consumers), broker.ErrInUse)
	}
	b.remove(q)
	return nil
}

// remove deletes a queue, under its consumers.
func (b *Broker) remove(q *queue) {
	if q.deleted {
		return
	}
	delete(b.queues, q.name)
	q.deleted = true
	for _, e := range q.boundTo {
		e.bindings = slices.DeleteFunc(e.bindings, func(to binding) bool { return to.queue == q })
	}
	deleted := fmt.Errorf("%w: it was deleted", broker.ErrNotFound)
	for _, c := range slices.Clone(q.consumers) {
		c.end(c.error(deleted))
	}
	for _, p := range slices.Clone(b.publishers.list()) {
		if p.log != nil && p.log == q.log {
			p.end(p.error(deleted))
		}
	}
}

func (b *Broker) deleteExchange(r broker.DeleteExchange) error {
	e := b.exchanges[r.Name]
	switch {
	case r.Name == "":
		return fmt.Errorf("delete the default exchange: %w", broker.ErrPermission)
	case e == nil:
		return nil
	case r.IfUnused && len(e.bindings) > 0:
		return fmt.Errorf("delete exchange %q, which has %d bindings: %w", r.Name, len(e.bindings), broker.ErrInUse)
	}
	for _, to := range e.bindings {
		to.queue.boundTo = without(to.queue.boundTo, e)
	}
	delete(b.exchanges, r.Name)
	return nil
}
