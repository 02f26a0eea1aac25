package sim

import (
	"bytes"
	"fmt"
	"time"

	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/messages"
)

// poisonMark is the first byte of a record that no writer wrote.
const poisonMark = 0xff

// giant is longer than a run between actors.
var giant = bytes.Repeat([]byte{poisonMark}, 1<<20+1)

// poison has somebody else publish what is no record and no status. Whoever gets it goes on, and so do its neighbours.
func (r *run) poison(kind FaultKind) fault {
	config, records := broker.PublisherConfig{Window: 1000}, r.badRecords
	switch {
	case kind == poisonStatuses:
		config.RoutingKey, records = channelName+pick(r.w, ".reader.status", ".writer.status"), r.badStatuses
	case r.plan.stream:
		config.RoutingKey = channelName
	default:
		config.Exchange = channelName
	}
	return fault{lasting: time.Second, strike: func() bool {
		r.hitAll(kind)
		lease := r.w.broker.Lease("fault")
		var p broker.Publisher
		p = lease.OpenPublisher(config, func(e broker.Event) {
			if _, opened := e.(*broker.Opened); opened {
				p.Publish(broker.Batch{First: 1, Records: records()})
				return
			}
			lease.Abort() // it is there, or cannot be
		})
		r.w.at(r.w.now+heartbeat, lease.Abort)
		return true
	}}
}

func (r *run) badRecords() []broker.Record {
	records := []broker.Record{{}, {Body: []byte{poisonMark}}, {Body: []byte{poisonMark, 0, 0, 0, 0, 0}}}
	if r.w.oneOf(4) {
		records = append(records, broker.Record{Body: giant})
	}
	r.poisoned += len(records)
	return records
}

// poisonous says whether a record is one of those.
func poisonous(body []byte) bool { return len(body) == 0 || body[0] == poisonMark }

func (r *run) badStatuses() (records []broker.Record) {
	r.badSaid = true
	add := func(body []byte) { records = append(records, broker.Record{Body: body}) }
	foreign := func(channel, context string) messages.Status {
		return messages.Status{Channel: channel, Context: context, Kind: messages.StatusClosed, Timestamp: r.w.Time().UnixMilli()}
	}
	add(nil)
	add([]byte(`{"channelName": "c", "status`))
	add([]byte(`{"a":` + string(bytes.Repeat([]byte("["), 5000))))
	add(bytes.Repeat([]byte("x"), 20<<10))
	statuses := []messages.Status{foreign("another", "w0")}
	for i := range 1 + r.w.rng.IntN(60) { // peers that nobody knows
		statuses = append(statuses, foreign(channelName, fmt.Sprintf("crowd-%d", i)))
	}
	for i := range statuses {
		body, err := messages.EncodeStatus(&statuses[i])
		if err != nil {
			panic(err)
		}
		add(body)
	}
	return records
}
