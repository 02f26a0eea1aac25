package supervisor

import (
	"errors"
	"fmt"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/d2e2d648/weir/actors"
	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/messages"
)

// A broker may forget a consumer and not say so. RabbitMQ 3.10.8 was seen to do it when a quorum queue was deleted and made anew within milliseconds: it went on counting the consumers of the old one, and sent them
// neither basic.cancel nor records. RabbitMQ 4.0.5, just started, was seen to delete a queue by force as one that is down, and to leave the queue's process behind with its consumers. Such a consumer would wait for ever.
// So one that has brought nothing for a while is audited: the broker is asked about its queue. Whatever the answer, a consumer that has brought nothing for longer, or though records are there, is renewed: it ends in order,
// and another follows.
const (
	auditEvery       = 15 * time.Second
	streamAuditEvery = time.Minute // the question takes a connection there
	renewEvery       = time.Minute
)

var (
	errForgotten  = fmt.Errorf("%w: it does not know the consumer any more", broker.ErrUnavailable)
	errPassedOver = fmt.Errorf("%w: it has had records for the consumer, and not delivered them", broker.ErrUnavailable)
	errUnanswered = errors.New("asked about the queue, the broker has not answered")
)

// audited is what is known of the broker's serving the data consumer.
type audited struct {
	served  time.Time // when it last was seen to
	asked   bool      // since then
	stirred time.Time // when it was ready, or a record came
	hungry  time.Time // since when there have been records at the broker and none has come, though there was room; zero: they have not
	renews  bool      // it is being renewed: what comes now comes again
}

// begin follows the consumer's getting ready.
func (a *audited) begin(now time.Time) { *a = audited{served: now, stirred: now} }

// delivered follows a delivery.
func (a *audited) delivered(now time.Time) { *a = audited{served: now, stirred: now, renews: a.renews} }

// audit has the data consumer asked when it has brought nothing for a while, and replaces it when it has not got an answer.
func (r *Reader) audit(ctx actor.Context) {
	if !r.data.ready || r.closing.phase != notClosing {
		return
	}
	every := auditEvery
	if r.cfg.Stream != nil {
		every = streamAuditEvery
	}
	switch idle := r.now().Sub(r.audited.served); {
	case idle >= 2*every:
		r.replace(ctx, r.data, &actors.Failure{Err: errUnanswered})
	case idle >= every && !r.audited.asked:
		r.audited.asked = true
		r.looks = append(r.looks, look{reply: func(*messages.Remainder) {}})
		r.look(ctx)
	}
}

// unserved says why the answer to a look shows that the broker does not serve the data consumer.
//
// That records are ready shows it when there has been room for them for as long as an audit waits. What can be renewed is.
func (r *Reader) unserved(m *messages.Looked) error {
	a := &r.audited
	a.served, a.asked = r.now(), false
	switch {
	case m.Consumers == 0:
		return errForgotten
	case m.Ready == 0 || r.busy() || r.renewable():
		a.hungry = time.Time{}
	case a.hungry.IsZero():
		a.hungry = r.now()
	case r.now().Sub(a.hungry) >= auditEvery:
		return errPassedOver
	}
	return nil
}

// busy says that records of this session are under way on our side.
func (r *Reader) busy() bool { return r.account.waiting+r.account.uncommitted() > 0 }

// renewable: of one that is exclusive another would take the place; and of a stream a look says all.
func (r *Reader) renewable() bool { return r.cfg.Stream == nil && !r.exclusive() }

// renew renews the data consumer when a look has shown that it may not be served.
func (r *Reader) renew(ctx actor.Context, m *messages.Looked) {
	idle := r.now().Sub(r.audited.stirred)
	if !r.renewable() || r.busy() || r.closing.phase != notClosing || idle < auditEvery || m.Ready == 0 && idle < renewEvery {
		return
	}
	r.audited.renews = true
	ctx.Send(r.data.pid, &messages.Finish{Epoch: r.data.epoch})
}

// onRenewed follows the end of a data consumer that is renewed; else it is false.
func (r *Reader) onRenewed(ctx actor.Context, m *messages.Finished) bool {
	if !r.audited.renews || r.closing.phase != notClosing || r.current(m.From) != r.data {
		return false
	}
	r.sessionOver()
	r.data.renew(ctx)
	return true
}

// renewStatuses is renew for who reads statuses: peers speak every few seconds, so where it is needless nobody is there to be heard.
func (c *channel) renewStatuses(ctx actor.Context) {
	for _, k := range []*child{c.statusConsumer, c.memberConsumer} {
		if k != nil && k.ready && c.now().Sub(k.spoke) >= renewEvery {
			k.renew(ctx)
		}
	}
}

// renew has another incarnation follow this one, which has ended in order or need not.
func (c *child) renew(ctx actor.Context) {
	c.owner.emit(&messages.ChildRenewed{Head: c.owner.head(), From: c.from()})
	c.cutOff(ctx)
	c.start(ctx)
}
