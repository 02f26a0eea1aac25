package supervisor

import (
	"fmt"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/d2e2d648/weir/messages"
)

// What a reader does with commits, and how it counts.

// onCommit acknowledges exactly what was handed over. What a dead incarnation delivered is delivered again, and its tags mean other records now.
func (r *Reader) onCommit(ctx actor.Context, m *messages.Commit) {
	reply := replyTo(ctx, m.Done)
	switch {
	case m.Batch == nil:
		reply(&messages.Committed{Err: errNoBatch})
	case r.tooLate():
		reply(&messages.Committed{Err: r.refusal()})
	case len(m.Batch.Records) == 0: // a demand that nothing came for
		reply(&messages.Committed{})
	case m.Batch.Epoch != r.data.epoch || r.data.pid == nil:
		reply(&messages.Committed{Err: ErrRedelivered})
	default:
		r.acknowledge(ctx, m.Batch.First, m.Batch.Last)
		reply(&messages.Committed{})
	}
}

// tooLate: the session has been told to end.
func (r *Reader) tooLate() bool { return r.over() || r.closing.phase >= flushing }

func (r *Reader) acknowledge(ctx actor.Context, first, last uint64) {
	if upTo, any := r.account.commit(first, last); any {
		if r.cfg.Stream != nil {
			r.position.committed(r.account.places.of(upTo))
			r.unsure = false
		}
		ctx.Send(r.data.pid, &messages.Acknowledge{Epoch: r.data.epoch, Tag: upTo})
	}
}

// onCommitUpTo: the rules of pypz, but that a lower count is really ignored, and that nothing is acknowledged that was not handed over.
func (r *Reader) onCommitUpTo(ctx actor.Context, m *messages.CommitUpTo) {
	reply := replyTo(ctx, m.Done)
	switch committed, handed := r.commits(), r.handedUpTo(); {
	case r.tooLate():
		reply(&messages.Committed{Err: r.refusal()})
	case m.Count > handed:
		reply(&messages.Committed{Err: fmt.Errorf("commit up to %d: only %d were read", m.Count, handed)})
	case m.Count == committed:
		reply(&messages.Committed{})
	case m.Count < committed:
		r.emit(&messages.CommitIgnored{Head: r.head(), Count: m.Count, Committed: committed})
		reply(&messages.Committed{})
	default:
		tag, any := r.tagBelow(m.Count)
		if !any {
			reply(&messages.Committed{Err: ErrRedelivered})
			return
		}
		r.acknowledge(ctx, 1, tag)
		reply(&messages.Committed{})
	}
}

// tagBelow gives the last tag of the present session that a count includes, if the session has handed over all of it.
func (r *Reader) tagBelow(count uint64) (tag uint64, any bool) {
	switch {
	case r.data.pid == nil || r.account.handed == 0:
		return 0, false
	case r.cfg.Stream != nil:
		return r.account.below(count)
	}
	return count - r.before, count > r.before
}

// handedUpTo counts what was handed over; of a stream it is the offset behind.
func (r *Reader) handedUpTo() uint64 {
	if r.cfg.Stream != nil {
		return r.position.handed
	}
	return r.handed
}

// commits is up to which of the records that were handed over all are committed; of a stream it is the offset behind them.
func (r *Reader) commits() uint64 {
	if r.cfg.Stream != nil {
		return r.position.next
	}
	if r.account.acked == 0 {
		return r.committed
	}
	return r.before + r.account.acked
}

// offsets are pypz's figures: a queue has no offsets of its own, so they count what was read since the channel was opened. Of a stream they are the stream's.
func (r *Reader) offsets() messages.Offsets {
	if !r.ready {
		return messages.Offsets{Current: messages.NotInitialisedOffset}
	}
	return messages.Offsets{Initial: int64(r.position.start) - 1, Current: int64(r.handedUpTo()) - 1, Committed: int64(r.commits()) - 1}
}

func (r *Reader) onAcknowledgeInput(ctx actor.Context, m *messages.AcknowledgeInput) {
	reply := replyTo(ctx, m.Done)
	switch {
	case r.cfg.Silent:
		reply(&messages.Opened{Err: ErrSilent})
	case r.over() || r.state == messages.Closing:
		reply(&messages.Opened{Err: r.refusal()})
	case !r.isOpen():
		reply(&messages.Opened{Err: ErrNotStarted})
	case r.statusProducer == nil:
		reply(&messages.Opened{Err: r.noStatus()})
	default:
		r.say(ctx, messages.StatusAcknowledged, nil)
		reply(&messages.Opened{})
	}
}
