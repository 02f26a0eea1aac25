package supervisor

import (
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/d2e2d648/weir/actors"
	"github.com/d2e2d648/weir/messages"
)

// look is somebody who wants to know whether there is more to read. The broker's answer comes behind what it had delivered before it counted, so that nothing which is on its way is missed.
type look struct {
	finished int // peers, counted before the records
	atWork   bool
	asked    bool
	expired  func() bool
	reply    func(*messages.Remainder)
}

func (r *Reader) onRemaining(ctx actor.Context, m *messages.Remaining) {
	reply := replyTo(ctx, m.Done)
	err := r.mayRead()
	if r.state == messages.Standby && !r.cfg.Silent {
		err = nil
	}
	if err != nil {
		reply(&messages.Remainder{Err: err})
		return
	}
	finished, all := r.peers.are(messages.PeersFinished, r.now())
	l := look{finished: finished, atWork: !all, expired: m.Expired, reply: reply}
	if r.account.waiting > 0 {
		r.answerLook(l, true)
		return
	}
	r.looks = append(slices.DeleteFunc(r.looks, look.forgotten), l)
	r.look(ctx)
}

// forgotten: nobody waits for it, and the broker has not been asked.
func (l look) forgotten() bool { return !l.asked && l.expired != nil && l.expired() }

// look asks the broker, once for all that wait. Who comes while it counts waits for the next time.
func (r *Reader) look(ctx actor.Context) {
	r.looks = slices.DeleteFunc(r.looks, look.forgotten)
	if !r.data.ready || len(r.looks) == 0 || r.looks[0].asked {
		return
	}
	for i := range r.looks {
		r.looks[i].asked = true
	}
	ctx.Send(r.data.pid, &messages.Look{Epoch: r.data.epoch})
}

func (r *Reader) onLooked(ctx actor.Context, m *messages.Looked) {
	k := r.current(m.From)
	if k == nil {
		return
	}
	if why := r.unserved(m); why != nil {
		r.replace(ctx, k, &actors.Failure{Err: why})
		return
	}
	k.proved()
	records := m.Ready > 0 || r.account.waiting > 0 || r.haunted(m.Consumers)
	for len(r.looks) > 0 && r.looks[0].asked {
		l := r.looks[0]
		r.looks = r.looks[1:]
		r.answerLook(l, records)
	}
	r.renew(ctx, m)
	r.look(ctx)
}

// haunted says whether the broker may still hold records for a session of ours that has failed: they come again when it has seen its end, and are not ready until then. It has when
// this session is the only consumer; with others beside, it has had the time that a lost connection takes to be noticed.
func (r *Reader) haunted(consumers int) bool {
	if r.lostAt.IsZero() {
		return false
	}
	if consumers <= 1 || r.now().Sub(r.lostAt) >= r.cfg.LostAfter {
		r.lostAt = time.Time{}
		return false
	}
	return true
}

func (r *Reader) answerLook(l look, records bool) {
	l.reply(&messages.Remainder{Records: records, Finished: l.finished, AtWork: l.atWork, Expected: r.cfg.Expected})
}

func (r *Reader) answerLooks(err error) {
	for _, l := range r.looks {
		l.reply(&messages.Remainder{Finished: l.finished, AtWork: l.atWork, Expected: r.cfg.Expected, Err: err})
	}
	r.looks = nil
}
