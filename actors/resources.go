package actors

import (
	"strconv"

	"github.com/d2e2d648/weir/broker"
)

// Resources are a channel's names and options at the broker, as one endpoint sees them. They are values, so that an endpoint can stand on resources
// that others declared; ChannelResources derives the usual ones from a channel's name (wire contract, "Names").
type Resources struct {
	Exchange     string // "": the default one, which is always there and routes to the queue RoutingKey
	ExchangeKind broker.ExchangeKind
	RoutingKey   string
	// Queue is the data queue of this endpoint, QueueOptions how it is declared.
	Queue        string
	QueueOptions broker.QueueOptions
	// Queues are all data queues of the channel: who creates or deletes does it for all members of the group.
	Queues []string
	// ReaderStatus and WriterStatus are the two status streams; both "" when status is off.
	ReaderStatus, WriterStatus string
	StatusOptions              broker.QueueOptions
	// Dead is the queue for records that cannot be processed; "" for none.
	Dead        string
	DeadOptions broker.QueueOptions
}

// DataQueue names the data queue of a replica of the reading group: the principal, index 0, owns the channel's own name.
func DataQueue(channel string, index int) string {
	if index == 0 {
		return channel
	}
	return channel + "-" + strconv.Itoa(index)
}

// create declares in an order in which nothing is bound before it is there. What exists with other arguments stays as it is.
func (r *Resources) create() []step {
	var steps []step
	if r.Exchange != "" {
		steps = append(steps, step{request: broker.DeclareExchange{Name: r.Exchange, Kind: r.ExchangeKind}})
	}
	declare := func(name string, options broker.QueueOptions) {
		if name != "" {
			steps = append(steps, step{request: broker.DeclareQueue{Name: name, QueueOptions: options}, accept: isWrongType})
		}
	}
	declare(r.Dead, r.DeadOptions) // before the queue that dead-letters to it
	for _, queue := range r.Queues {
		declare(queue, r.QueueOptions)
		if r.Exchange != "" {
			steps = append(steps, step{request: broker.BindQueue{Queue: queue, Exchange: r.Exchange, RoutingKey: r.RoutingKey}})
		}
	}
	declare(r.ReaderStatus, r.StatusOptions)
	declare(r.WriterStatus, r.StatusOptions)
	return steps
}

func (r *Resources) await() []step {
	var steps []step
	if r.Exchange != "" { // the default exchange is always there
		steps = append(steps, step{request: broker.InspectExchange{Name: r.Exchange}, wait: isNotFound})
	}
	for _, name := range []string{r.Queue, r.ReaderStatus, r.WriterStatus} {
		if name != "" {
			steps = append(steps, step{request: broker.InspectQueue{Name: name}, wait: isNotFound})
		}
	}
	return steps
}

// count tells of the records of a queue that is to be deleted.
func count(queue string) step {
	return step{request: broker.InspectQueue{Name: queue}, accept: isNotFound, counts: queue}
}

// delete goes in the order of the wire contract: data queues, exchange, reader stream, writer stream. It stops at what is still in use.
func (r *Resources) delete() []step {
	var steps []step
	for _, name := range r.Queues {
		steps = append(steps, count(name), step{request: broker.DeleteQueue{Name: name, IfUnused: true}, wait: isInUse})
	}
	if r.Exchange != "" {
		steps = append(steps, step{request: broker.DeleteExchange{Name: r.Exchange, IfUnused: true}, wait: isInUse})
	}
	for _, name := range []string{r.ReaderStatus, r.WriterStatus} {
		if name != "" {
			steps = append(steps, step{request: broker.DeleteQueue{Name: name}})
		}
	}
	if r.Dead != "" {
		steps = append(steps, count(r.Dead), step{request: broker.DeleteQueue{Name: r.Dead}})
	}
	return steps
}
