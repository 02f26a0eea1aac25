package embedded

import (
	"maps"
	"slices"
)

// Counts is what a broker has open, and what its queues did since it was made.
type Counts struct {
	// Publishers and Consumers are the open sessions: opened, and not forgotten by the broker. Leases are those that were used and not
	// aborted.
	Publishers, Consumers, Leases int
	// Accepted is how many records queues and streams took, counted in each.
	Accepted uint64
	// DeadLettered is how many went on to a dead-letter target; they count as Accepted again. Dropped is how many were thrown away: by a
	// limit, by a reject, or because their target was missing or full. Deleting a queue does not count.
	DeadLettered, Dropped uint64
}

type counters struct{ accepted, deadLettered, dropped uint64 }

// Counts gives the present counts. On the loop only.
func (b *Broker) Counts() Counts {
	return Counts{
		Publishers: b.publishers.len(), Consumers: b.consumers.len(), Leases: b.leases.len(),
		Accepted: b.counts.accepted, DeadLettered: b.counts.deadLettered, Dropped: b.counts.dropped,
	}
}

// QueueState is what a queue holds.
type QueueState struct {
	// Ready waits to be delivered, of a stream: is kept. Unsettled is with consumers.
	Ready, Unsettled int
	// Bytes are the bodies of what is Ready.
	Bytes int64
	// Consumers are the owners of the consumers' leases, in order of registration.
	Consumers []string
}

// Queue gives a queue's state. On the loop only.
func (b *Broker) Queue(name string) (QueueState, bool) {
	q := b.queues[name]
	if q == nil {
		return QueueState{}, false
	}
	s := QueueState{Ready: q.length(), Bytes: q.bytes}
	if q.log != nil {
		s.Ready, s.Bytes = q.log.length(), q.log.bytes
	}
	for _, c := range q.consumers {
		s.Unsettled += c.unsettled.n
		s.Consumers = append(s.Consumers, c.lease.owner)
	}
	return s, true
}

// Depth is Ready and Unsettled of a queue, 0 of a missing one. On the loop only.
func (b *Broker) Depth(name string) int {
	s, _ := b.Queue(name)
	return s.Ready + s.Unsettled
}

// Publishers are the owners of the open publishers' leases, in the order in which CutPublisher and FreezePublisher count them. On the loop only.
func (b *Broker) Publishers() []string { return owners(b.publishers.list()) }

// Consumers is Publishers for consumers.
func (b *Broker) Consumers() []string { return owners(b.consumers.list()) }

func owners[S interface{ wire() *link }](sessions []S) []string {
	names := make([]string, len(sessions))
	for i, s := range sessions {
		names[i] = s.wire().lease.owner
	}
	return names
}

// Queues are the names of all queues and streams, sorted. On the loop only.
func (b *Broker) Queues() []string { return slices.Sorted(maps.Keys(b.queues)) }

// Exchanges are the names of all declared exchanges, sorted. On the loop only.
func (b *Broker) Exchanges() []string { return slices.Sorted(maps.Keys(b.exchanges)) }
