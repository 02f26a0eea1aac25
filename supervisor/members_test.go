package supervisor_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/messages"
	"github.com/d2e2d648/weir/supervisor"
)

// member makes a reader or writer the i-th of its group.
func member(i, size int) func(*supervisor.Config) {
	return func(c *supervisor.Config) {
		c.Group, c.GroupIndex, c.GroupSize, c.Create = "g", i, size, i == 0
		c.Name = fmt.Sprint("member-", i)
	}
}

// group opens a principal, a member and a writer, which all know each other as far as they can.
func group(t *testing.T) (b *bed, principal, second, writer *end) {
	b = newBed(t)
	principal, second, writer = b.reader(member(0, 2)), b.reader(member(1, 2)), b.writer()
	for _, e := range []*end{principal, second, writer} {
		e.opened()
	}
	b.world.RunFor(3 * time.Second)
	return b, principal, second, writer
}

// A principal hears the members of its group on its own side's stream; a member hears nobody there. On the writers' side it is the same.
func TestPrincipalHearsItsMembers(t *testing.T) {
	for _, side := range []messages.Side{messages.Reading, messages.Writing} {
		t.Run(string(side), func(t *testing.T) {
			b := newBed(t)
			spawn, other := b.reader, b.writer
			if side == messages.Writing {
				spawn, other = b.writer, b.reader
			}
			principal, second, peer := spawn(member(0, 2)), spawn(member(1, 2)), other()
			for _, e := range []*end{principal, second, peer} {
				e.opened()
			}
			b.world.RunFor(3 * time.Second)
			own := principal.snapshot().Peers
			if members := own.Members(); len(members.All) != 1 || members.All[0].Context != "member-1" || members.All[0].GroupIndex != 1 || members.All[0].Side != side ||
				members.All[0].State != messages.StatusStarted || !members.All[0].Healthy || !members.All[0].Heard {
				t.Errorf("the principal's members: %+v", members.All)
			}
			if others := own.Others(); !slices.Equal(others.Names(), []string{"orders@" + peer.name}) || own.GroupSize != 2 || own.Self.Name != "orders@member-0" {
				t.Errorf("the principal's others: %+v", own)
			}
			if theirs := second.snapshot().Peers; !slices.Equal(theirs.Names(), []string{"orders@" + peer.name}) {
				t.Errorf("the member sees %q", theirs.Names())
			}
			for _, c := range second.snapshot().Children {
				if c.Child == messages.MemberConsumer {
					t.Error("a member that is not the principal hears its own side")
				}
			}
			if principal.snapshot().Peers.CanClose() != (side == messages.Writing) {
				t.Error("a writer can always close, a principal reader not before its members have finished")
			}
			second.answered(second.stop(), nil)
			b.world.RunFor(time.Second)
			if p := principal.snapshot().Peers; !p.CanClose() || p.Members().All[0].State != messages.StatusStopped {
				t.Errorf("%+v", p.Members().All)
			}
		})
	}
}

// A group of one has nobody to hear on its own side, and who is in no group neither.
func TestOnlyAPrincipalOfSeveralHearsItsOwnSide(t *testing.T) {
	b := newBed(t)
	for _, e := range []*end{b.reader(member(0, 1)), b.reader(named("alone"), func(c *supervisor.Config) { c.GroupSize = 3 })} {
		e.opened()
		b.world.RunFor(3 * time.Second)
		if n := len(e.snapshot().Peers.All); n != 0 {
			t.Errorf("%s sees %d", e.name, n)
		}
	}
}

// A principal waits for peers of the other side: its members are none.
func TestMembersAreNoPeersToWaitFor(t *testing.T) {
	b := newBed(t)
	principal, second := b.reader(member(0, 2)), b.reader(member(1, 2))
	principal.opened()
	second.opened()
	b.world.RunFor(3 * time.Second)
	alive, done := take[messages.Opened](b)
	principal.send(&messages.AwaitPeers{Count: 1, Done: done})
	b.world.RunFor(5 * time.Second)
	if alive.got != nil || len(principal.snapshot().Peers.Members().All) != 1 {
		t.Fatalf("%+v", alive.got)
	}
	b.writer().opened()
	principal.answered(alive, nil)
}

// Deleting waits for the members, too: they use what is deleted.
func TestPrincipalDoesNotDeleteUnderAMember(t *testing.T) {
	b, principal, second, writer := group(t)
	await(b, writer.close(time.Second), time.Second)
	closed := principal.close(time.Minute, deletes)
	b.world.RunFor(20 * time.Second)
	if closed.got != nil || len(b.world.Broker().Queues()) != 4 {
		t.Fatalf("%+v, %q are left", closed.got, b.world.Broker().Queues())
	}
	await(b, second.close(time.Second), time.Second)
	if m := await(b, closed, 10*time.Second); m.Err != nil || len(b.world.Broker().Queues()) != 0 {
		t.Errorf("%v, %q are left", m.Err, b.world.Broker().Queues())
	}
}

// times are those of the statuses that an end heard of a peer, and how often it was told each.
func (e *end) times(context string) map[int64]int {
	times := map[int64]int{}
	for _, ev := range seen[*messages.StatusReceived](e) {
		if ev.Peer.Context == context {
			times[ev.Status.Timestamp]++
		}
	}
	return times
}

// The part that hears the members fails in every way: it is replaced like any other, what members said meanwhile is heard, and nothing is heard twice.
func TestMemberConsumerThatFailsIsReplaced(t *testing.T) {
	for _, f := range failures {
		t.Run(f.name, func(t *testing.T) {
			b, principal, second, writer := group(t)
			f.strike(b, "member-0/member-consumer")
			b.until("it fails", 12*time.Second, func() bool { return len(seen[*messages.ChildFailed](principal)) > 0 })
			if failed := seen[*messages.ChildFailed](principal); failed[0].From != (messages.From{Child: messages.MemberConsumer, Epoch: 1}) {
				t.Fatalf("%+v", failed[0])
			}
			second.answered(second.stop(), nil) // while nobody hears it
			b.until("the next is ready", 12*time.Second, func() bool {
				return principal.has(messages.Running) && last[*messages.ChildReady](principal).Epoch == 2
			})
			b.world.RunFor(10 * time.Second)
			if s := principal.child(messages.MemberConsumer); s.Epoch != 2 || !s.Ready || s.Failures != 1 || s.GraceUsed != 0 {
				t.Errorf("%+v", s)
			}
			if members := principal.snapshot().Peers.Members().All; members[0].State != messages.StatusStopped {
				t.Errorf("%+v", members)
			}
			leases(b, "member-0/member-consumer")
			b.world.RunFor(100 * time.Millisecond) // what is under way arrives
			heard := principal.times("member-1")
			for at, n := range heard {
				if n != 1 {
					t.Errorf("the status of %d was told %d times", at, n)
				}
			}
			if all := writer.times("member-1"); !slices.Equal(slices.Sorted(maps.Keys(heard)), slices.Sorted(maps.Keys(all))) {
				t.Errorf("heard %d statuses, the writer heard %d", len(heard), len(all))
			}
			if n := len(seen[*messages.ChildFailed](principal)) + len(seen[*messages.ChildFailed](second)) + len(seen[*messages.ChildFailed](writer)); n != 1 {
				t.Errorf("%d failures", n)
			}
			b.world.RunFor(3 * time.Second) // by then what hangs is given up
		})
	}
}

// The stream of one's own side is deleted, and declared again: members are heard on the new one, with what they said there before they were heard.
func TestOwnStreamThatIsMadeAnew(t *testing.T) {
	b, principal, second, _ := group(t)
	b.world.RunFor(10 * time.Second)
	declare(b, broker.DeleteQueue{Name: "orders.reader.status"})
	b.world.RunFor(30 * time.Second)
	for _, e := range []*end{principal, second} {
		for _, c := range e.snapshot().Children[1:] {
			if !c.Ready || c.GraceUsed != 0 {
				t.Errorf("%s of %s: %+v", c.Child, e.name, c)
			}
		}
	}
	second.answered(second.stop(), nil)
	b.world.RunFor(time.Second)
	if m := principal.snapshot().Peers.Members().All; len(m) != 1 || !m[0].Healthy || m[0].State != messages.StatusStopped {
		t.Errorf("%+v", m)
	}
}

// It is deleted and made anew while nobody hears it: the new one's offsets are lower, and its history counts.
func TestOwnStreamThatIsMadeAnewUnheard(t *testing.T) {
	b, principal, second, _ := group(t)
	b.world.RunFor(20 * time.Second)
	b.inject = func(id string, _ any) {
		if at(id, "member-0/member-consumer") {
			panic(errInjected)
		}
	}
	b.until("it is down", 10*time.Second, func() bool { return len(seen[*messages.ChildFailed](principal)) > 0 })
	declare(b, broker.DeleteQueue{Name: "orders.reader.status"}, broker.DeclareQueue{Name: "orders.reader.status", QueueOptions: broker.QueueOptions{Type: broker.Stream}})
	b.world.RunFor(5 * time.Second)
	second.answered(second.stop(), nil)
	b.world.RunFor(time.Second)
	b.inject = nil
	b.world.RunFor(10 * time.Second)
	if m := principal.snapshot().Peers.Members().All; len(m) != 1 || m[0].State != messages.StatusStopped {
		t.Errorf("%+v", m)
	}
}
