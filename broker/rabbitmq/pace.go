package rabbitmq

import "time"

const (
	// paceSpare is how many records a publishing session has at the broker beyond those that are on their way. RabbitMQ's reader may be 400 messages ahead of a channel's process: more in flight stops it
	// and starts it again, and waits there. Measured on a quorum queue with 1,000 in flight: a sixth more of the broker's CPU than with 250, and a tenth slower.
	paceSpare = 250
	// paceRefill is how many records at least go at a time while more wait.
	paceRefill = 100
)

// pace says how many records of a session may be in flight; what else is in the window waits in the session's queue. A broker that is far away, or slow to sync, needs more in flight
// to be kept busy than one that is near: paceSpare more than it confirms in the shortest time that a confirm ever took here. One record at a time is timed. Not safe for concurrent use.
type pace struct {
	limit int // records in flight
	least time.Duration
	timed uint64 // the tag of the record that is timed; 0: none
	sent  time.Time
	done  uint64 // how many records were settled when it was sent
}

// room says how many of the waiting records may go.
func (p *pace) room(waiting, inFlight int) int {
	room := p.limit - inFlight
	if room < paceRefill && room < waiting {
		return 0
	}
	return min(room, waiting)
}

// idle says that no record is timed.
func (p *pace) idle() bool { return p.timed == 0 }

// time times a record that is sent now.
func (p *pace) time(tag, done uint64, now time.Time) { p.timed, p.done, p.sent = tag, done, now }

// confirmed takes in that the record that is timed is settled, and how many are by now.
func (p *pace) confirmed(done uint64, now time.Time) {
	took := max(now.Sub(p.sent), 1)
	if p.least == 0 || took < p.least {
		p.least = took
	}
	p.timed = 0
	p.limit = paceSpare + int(float64(done-p.done)*float64(p.least)/float64(took))
}
