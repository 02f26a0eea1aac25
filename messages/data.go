package messages

import (
	"time"

	"github.com/d2e2d648/weir/broker"
)

// Between a writer's supervisor and its data producer:
//
//	supervisor → producer   Publish     within the window
//	producer → supervisor   Confirmed   the broker has them
//	producer → supervisor   Refused     the broker would not take them; returned ones are the producer's last words
//	producer → supervisor   Blocked     the broker's alarm went on or off
//	producer → supervisor   Stalled     the oldest unconfirmed record is old
//
// Between a reader's supervisor and its data consumer:
//
//	consumer → supervisor   Delivered     bounded by the prefetch
//	supervisor → consumer   Acknowledge   what was handed over and committed
//	supervisor → consumer   Look          asks how many records are left at the broker
//	consumer → supervisor   Looked        the answer, behind what was delivered before it

type (
	// Publish hands records to the current producer. Apart says that they have no order against any others that are under way.
	Publish struct {
		Epoch uint64
		Batch broker.Batch
		Apart bool
	}

	// Confirmed says that the broker has the records of these sequences. Sequences are absolute: a late one is as true as any.
	Confirmed struct {
		From
		First, Last uint64
	}

	// Refused says that the broker negatively acknowledged the records of these sequences, or returned them.
	Refused struct {
		From
		First, Last uint64
		Err         error
	}

	// Blocked says that the broker's alarm went on or off.
	Blocked struct {
		From
		On bool
	}

	// Stalled says since when the oldest unconfirmed record has waited.
	Stalled struct {
		From
		Since time.Time
	}

	// Delivered hands over records of the consumer's session: tags First, First+1, ….
	Delivered struct {
		From
		First   uint64
		Records []broker.Record
	}

	// Look asks how many records are ready at the broker.
	Look struct{ Epoch uint64 }

	// Looked answers Look: all that the broker had handed over before it counted was Delivered before.
	Looked struct {
		From
		// Ready records wait at the broker, where so many Consumers are registered, this one among them.
		Ready, Consumers int
	}

	// Acknowledge acknowledges every tag of that epoch up to and including it; with Alone only that one.
	Acknowledge struct {
		Epoch uint64
		Tag   uint64
		Alone bool
	}
)

// Last is the tag of the last record.
func (d *Delivered) Last() uint64 { return d.First + uint64(len(d.Records)) - 1 }
