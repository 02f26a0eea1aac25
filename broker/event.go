package broker

// Event is what a session tells its sink. It is one of the pointers to the types below.
type Event interface{ brokerEvent() }

type (
	// Opened says that the session is ready: a publisher with confirms on, a consumer registered at the broker. LastSequence is what the broker has of
	// PublisherConfig.Name, at least: what an earlier session has under way may still come (rule 21). Next is, of a consumer of a stream, the offset at which it begins: nothing below it comes; End is the one
	// behind the stream's last record then, and Stored the one behind what is stored under ConsumerConfig.Name, 0 where nothing is (rule 22). At a port that knows no names they are 0.
	Opened struct{ LastSequence, Next, End, Stored uint64 }

	// Confirmed says that the broker has the records First to Last (rule 7).
	Confirmed struct{ First, Last uint64 }

	// Refused says that the broker will not have the records First to Last: Err is ErrReturned (no queue was bound) or ErrNacked.
	// The session goes on.
	Refused struct {
		First, Last uint64
		Err         error
	}

	// Blocked says that the broker's alarm went on or off (rule 10).
	Blocked struct{ On bool }

	// Delivered hands over records with the tags First, First+1, … (rule 11).
	Delivered struct {
		First   uint64
		Records []Record
	}

	// Inspected answers Consumer.Inspect: so many records are ready to be delivered, and so many consumers are registered, this session among them (rule 20).
	Inspected struct{ Ready, Consumers int }

	// Ended is a session's last event. Err is nil after Close, otherwise it says why (see the errors of this package).
	Ended struct{ Err error }

	// Pending says once that events have gathered. Take gives them all, merged where they can be; the next Pending comes only after
	// Take. Take may be called from any goroutine, once or more; what is told after it comes with the next Pending.
	Pending struct{ Take func() []Event }
)

func (*Opened) brokerEvent()    {}
func (*Confirmed) brokerEvent() {}
func (*Refused) brokerEvent()   {}
func (*Blocked) brokerEvent()   {}
func (*Delivered) brokerEvent() {}
func (*Inspected) brokerEvent() {}
func (*Ended) brokerEvent()     {}
func (*Pending) brokerEvent()   {}

// Last is the tag of the last record. Delivered is never empty.
func (d *Delivered) Last() uint64 { return d.First + uint64(len(d.Records)) - 1 }
