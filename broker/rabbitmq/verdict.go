package rabbitmq

import (
	"time"

	"github.com/d2e2d648/weir/broker"
)

// This file is what a publisher makes of the broker's frames; the reader calls it.

// frame takes what belongs to the data path and looks at what ends the session.
func (p *publisher) frame(f frame) bool {
	switch f.kind {
	case frameMethod:
		return p.methodFrame(f)
	case frameHeader:
		return p.content && p.returnHeader(f.payload)
	case frameBody:
		if !p.content {
			return false
		}
		p.returnBody(uint64(len(f.payload)))
		return true
	}
	return false
}

func (p *publisher) methodFrame(f frame) bool {
	switch method := f.method(); method {
	case basicAck, basicNack:
		tag, multiple, ok := decodeConfirm(f.payload)
		if ok {
			p.verdicts = append(p.verdicts, verdict{method, tag, multiple})
		}
		return ok
	case basicReturn:
		p.content = true
		return true
	case confirmSelectOK:
		p.opened()
		p.held()
	case channelClose:
		p.gathered()
		p.closedBy(decodeClose(f.payload))
	case channelCloseOK:
		p.gathered()
		p.closeOK()
	}
	return false
}

// returnHeader reads which record was returned. Its body follows, of no interest.
func (p *publisher) returnHeader(payload []byte) bool {
	v := verdict{kind: basicReturn}
	if p.config.AppID != "" {
		properties := decodeProperties(payload)
		v.n, _ = properties.sequence()
	}
	p.verdicts = append(p.verdicts, v)
	p.left, _ = decodeSize(payload)
	p.content = p.left > 0
	return true
}

func (p *publisher) returnBody(n uint64) {
	p.left -= min(n, p.left)
	p.content = p.left > 0
}

// gathered applies the verdicts of one read and tells them: what is refused first (rule 7).
func (p *publisher) gathered() {
	if len(p.verdicts) == 0 {
		return
	}
	p.mu.Lock()
	unknown := p.apply()
	may := p.paced()
	p.mu.Unlock()
	if may {
		p.link.wire.say(p)
	}

	events := make([]broker.Event, 0, len(p.confirmed)+len(p.nacked)+len(p.returned))
	for _, r := range p.returned {
		events = append(events, &broker.Refused{First: r.First, Last: r.Last, Err: failure(p.what, broker.ErrReturned, nil)})
	}
	for _, r := range p.nacked {
		events = append(events, &broker.Refused{First: r.First, Last: r.Last, Err: failure(p.what, broker.ErrNacked, nil)})
	}
	for _, r := range p.confirmed {
		events = append(events, &broker.Confirmed{First: r.First, Last: r.Last})
	}
	p.verdicts, p.confirmed, p.nacked, p.returned = p.verdicts[:0], p.confirmed[:0], p.nacked[:0], p.returned[:0]
	if len(events) > 0 {
		p.Tell(events...)
	}
	if unknown {
		p.end(failure(p.what, broker.ErrReturned, nil))
	}
}

// apply takes the verdicts to the ledger. It stops at a return of which nobody knows the record: what comes behind might confirm that. The lock is
// held.
func (p *publisher) apply() (unknown bool) {
	for _, v := range p.verdicts {
		switch v.kind {
		case basicAck:
			p.ledger.settle(v.n, v.multiple, p.confirmed.add)
		case basicNack:
			p.ledger.settle(v.n, v.multiple, p.nacked.add)
		case basicReturn:
			if v.n == 0 || !p.ledger.returned(v.n) {
				return true
			}
			p.returned.add(v.n, v.n)
		}
	}
	return false
}

// paced tells the pace what is settled, and says whether records that wait may go. The lock is held.
func (p *publisher) paced() bool {
	if !p.pace.idle() && p.ledger.settled.Has(p.pace.timed) {
		p.pace.confirmed(p.ledger.done(), time.Now())
	}
	return p.room() > 0
}
