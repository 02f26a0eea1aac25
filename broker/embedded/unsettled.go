package embedded

import "slices"

// unsettled are a consumer's deliveries that it has not acknowledged or rejected, by tag. Its memory is bounded by the prefetch, however
// unevenly they are settled. The zero value is empty.
type unsettled struct {
	entries []heldMessage // by tag; settled ones stay until there is no room for another
	head    int           // all below are settled
	n       int           // unsettled
}

type heldMessage struct {
	tag     uint64
	settled bool
	message message
}

// add appends one; its tag is above all others.
func (u *unsettled) add(tag uint64, m message) {
	if u.n == 0 {
		u.entries, u.head = u.entries[:0], 0
	} else if len(u.entries) == cap(u.entries) && 2*u.n <= len(u.entries) {
		u.entries = slices.DeleteFunc(u.entries, func(h heldMessage) bool { return h.settled })
		u.head = 0
	}
	u.entries = append(u.entries, heldMessage{tag: tag, message: m})
	u.n++
}

// last are the n that were added last. None of them is settled yet.
func (u *unsettled) last(n int) []heldMessage { return u.entries[len(u.entries)-n:] }

// take settles one tag. False: it is settled already.
func (u *unsettled) take(tag uint64) (message, bool) {
	i, found := u.search(tag)
	if !found || u.entries[i].settled {
		return message{}, false
	}
	m := u.settle(i)
	for u.head < len(u.entries) && u.entries[u.head].settled {
		u.head++
	}
	return m, true
}

// dropUpTo settles every tag up to and including this one.
func (u *unsettled) dropUpTo(tag uint64) {
	for ; u.head < len(u.entries) && u.entries[u.head].tag <= tag; u.head++ {
		if !u.entries[u.head].settled {
			u.settle(u.head)
		}
	}
}

// settle keeps nothing of the record.
func (u *unsettled) settle(i int) message {
	h := &u.entries[i]
	m := h.message
	h.settled, h.message = true, message{}
	u.n--
	return m
}

// drain takes all out, in the order of their tags.
func (u *unsettled) drain(f func(message)) {
	for _, h := range u.entries[u.head:] {
		if !h.settled {
			f(h.message)
		}
	}
	*u = unsettled{}
}

func (u *unsettled) search(tag uint64) (int, bool) {
	if u.head == len(u.entries) || tag < u.entries[u.head].tag {
		return 0, false
	}
	if i := u.head + int(tag-u.entries[u.head].tag); i < len(u.entries) && u.entries[i].tag == tag {
		return i, true // no gap in between: nearly always
	}
	i, found := slices.BinarySearchFunc(u.entries[u.head:], tag, func(h heldMessage, tag uint64) int {
		switch {
		case h.tag < tag:
			return -1
		case h.tag > tag:
			return 1
		}
		return 0
	})
	return u.head + i, found
}
