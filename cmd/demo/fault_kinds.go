package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// venue is a sort of broker that an experiment can be made on. What is possible depends on it.
type venue string

const (
	onEmbedded venue = "embedded" // in this process
	onPrivate  venue = "private"  // a RabbitMQ node that the experiment starts
	onOwn      venue = "your own" // a broker that somebody else started: only what is done on the client's side, and to the experiment's own channel
)

// lane is what a fault befalls. Those of one lane come one after the other.
type lane string

const (
	ofActors  lane = "" // each by itself
	ofBroker  lane = "broker"
	ofNetwork lane = "network"
	ofCuts    lane = "cuts" // at once, also while the network is bad in another way
)

// faultKind is a sort of fault.
type faultKind struct {
	name     string
	does     string
	see      string // what should be seen
	length   time.Duration
	argument *argument
	venues   []venue
	plane    string // the only one that has it; empty: both
	lane     lane
	drawn    bool // among those that a seed draws from
}

// takes says what may be written behind the colon.
func (k *faultKind) takes() string {
	var parts []string
	if k.length > 0 {
		parts = append(parts, fmt.Sprintf("LENGTH (default %v)", k.length))
	}
	if a := k.argument; a != nil {
		parts = append(parts, fmt.Sprintf("%s (default %s)", a.form, a.otherwise))
	}
	if len(parts) == 0 {
		return "no argument"
	}
	return strings.Join(parts, ",")
}

func (k *faultKind) possible(v venue, plane string) bool {
	return slices.Contains(k.venues, v) && (k.plane == "" || k.plane == plane)
}

// faultKinds are all of them, in the order of the list.
func faultKinds() []*faultKind {
	everywhere, proxied := []venue{onEmbedded, onPrivate, onOwn}, []venue{onPrivate, onOwn}
	return []*faultKind{
		{name: "crash", argument: actorArgument(), venues: everywhere, lane: ofActors, drawn: true,
			does: "The next message that an actor of that name handles is its last.",
			see:  "Replaced by its next epoch after milliseconds; a hang after 4 to 8 s. Duplicates: a consumer's prefetch, a producer's unconfirmed window, on a stream none of a producer."},

		{name: "cut", venues: everywhere, lane: ofCuts, drawn: true,
			does: "All connections are lost (TCP reset).",
			see:  "Each child fails once with \"broker unavailable\" and is replaced."},
		{name: "refuse", length: time.Second, venues: everywhere, lane: ofNetwork, drawn: true,
			does: "All connections are lost, and new ones are refused.",
			see:  "The same, and the next epochs wait with a back-off until the broker answers."},
		{name: "flaky", length: 2 * time.Second, argument: countArgument("BYTES", "20000"), venues: proxied, lane: ofNetwork, drawn: true,
			does: "Each connection is reset, in mid-frame, when it has carried so many bytes.",
			see:  "Children fail again and again; the flow limps, and is whole afterwards."},
		{name: "black-hole", length: 5 * time.Second, venues: everywhere, lane: ofNetwork, drawn: true,
			does: "Nothing gets through, in either direction, and nobody is told.",
			see:  "Silence is noticed after one and a half heartbeats of 2 s (embedded: one); shorter than that, all goes on where it stood."},
		{name: "half-open", venues: everywhere, lane: ofNetwork, drawn: true,
			does: "What is sent on the connections that there are is dropped for ever; new ones are fine.",
			see:  "Noticed by the missing heartbeats, then replaced; a publisher's connection to a stream takes two to three heartbeats."},
		{name: "latency", length: 3 * time.Second, argument: delayArgument("50ms"), venues: everywhere, lane: ofNetwork, drawn: true,
			does: "Every packet takes so much longer.",
			see:  "No failure. The window bounds what is under way, so the rate drops."},
		{name: "throttle", length: 3 * time.Second, argument: countArgument("BYTES_PER_SECOND", "50000"), venues: proxied, lane: ofNetwork, drawn: true,
			does: "Each connection carries so many bytes a second in each direction.",
			see:  "The rate drops. A connection that its own heartbeats cannot get through in time is given up and replaced."},
		{name: "slice", length: 3 * time.Second, argument: countArgument("BYTES", "7"), venues: proxied, lane: ofNetwork, drawn: true,
			does: "What is sent arrives in pieces of so many bytes.",
			see:  "No failure: frames are put together again."},

		{name: "end-session", argument: whoseArgument(), venues: []venue{onEmbedded}, lane: ofCuts, drawn: true,
			does: "The broker ends the session of the first writer's or reader's data child, as RabbitMQ closes an AMQP channel.",
			see:  "Only that child is replaced."},
		{name: "freeze", length: 5 * time.Second, venues: []venue{onEmbedded, onPrivate}, lane: ofBroker, drawn: true,
			does: "The broker is stopped where it is (RabbitMQ: SIGSTOP), and then goes on.",
			see:  "As with black-hole: children fail when heartbeats are missing, and come back when the broker does."},
		{name: "alarm", length: 2 * time.Second, venues: []venue{onEmbedded, onPrivate}, lane: ofBroker, drawn: true,
			does: "The broker takes no records (memory; on RabbitMQ's streams disk), and says so.",
			see:  "Writers wait, nobody fails, no grace is used."},
		{name: "close-connections", venues: []venue{onPrivate}, lane: ofBroker, drawn: true,
			does: "The broker closes all connections in order.",
			see:  "As with cut."},
		{name: "kill-queue", venues: []venue{onPrivate}, lane: ofBroker, drawn: true,
			does: "The broker's process of the queue, or of the stream's leader, is killed; the broker starts another.",
			see:  "A pause, or the consumer is replaced; what was unconfirmed goes again."},
		{name: "kill", length: 500 * time.Millisecond, venues: []venue{onPrivate}, lane: ofBroker, drawn: true,
			does: "kill -9 of the broker, which is started again after that time.",
			see:  "Each child fails and waits; within a second of the broker's answer all are back. Nothing that was confirmed is missing."},
		{name: "restart", length: 500 * time.Millisecond, venues: []venue{onPrivate}, lane: ofBroker, drawn: true,
			does: "The broker is stopped in order, and started again after that time.",
			see:  "As with kill."},
		{name: "delete-queue", venues: everywhere, plane: planeQueue, lane: ofBroker,
			does: "The channel's queue is deleted under it. What was in it is lost by definition: it is excused, not lost. On your own broker only with a channel that is fresh.",
			see:  "The consumer is told, the reader declares the queue again, records that were returned are published again."},
		{name: "delete-stream", venues: everywhere, plane: planeStream, lane: ofBroker,
			does: "The channel's stream is deleted under it. What was in it is lost by definition: it is excused, not lost. On your own broker only with a channel that is fresh.",
			see:  "Both ends fail with \"not found\"; the reader makes the stream again and reads it from its beginning."},
		{name: "lose-confirms", argument: countArgument("N", "1"), venues: []venue{onEmbedded}, lane: ofBroker,
			does: "The next confirms do not arrive, although the records are in the queue.",
			see:  "The writer is told after 30 s (ConfirmsStalled); the producer is replaced after 30 s more, and publishes again."},
		{name: "revoke", venues: []venue{onPrivate}, lane: ofBroker,
			does: "The user's password is changed, and all connections are closed.",
			see:  "The channel fails at once with \"permission denied\", since no retry mends that: the exit status is 1."},
	}
}

func kindOf(name string) *faultKind {
	for _, k := range faultKinds() {
		if k.name == name {
			return k
		}
	}
	return nil
}

func faultNames() (names []string) {
	for _, k := range faultKinds() {
		names = append(names, k.name)
	}
	return names
}

// listFaults explains each.
func listFaults(to io.Writer, width int) error {
	var b strings.Builder
	for _, k := range faultKinds() {
		where := make([]string, len(k.venues))
		for i, v := range k.venues {
			where[i] = string(v)
		}
		on := strings.Join(where, ", ")
		if k.plane != "" {
			on += "; only with --plane " + k.plane
		}
		fmt.Fprintf(&b, "%s\n", k.name)
		for _, row := range [][2]string{{"takes", k.takes()}, {"does", k.does}, {"see", k.see}, {"brokers", on}} {
			fmt.Fprintf(&b, "  %-9s%s\n", row[0], wrapped(row[1], width-11, "           "))
		}
	}
	b.WriteString("\nBrokers: embedded is the default; private is a RabbitMQ node that the experiment starts (--broker private); your own is any other --broker URL.\n")
	_, err := io.WriteString(to, b.String())
	return err
}

// wrapped breaks a text into lines of at most width characters. All but the first begin with indent.
func wrapped(text string, width int, indent string) string {
	var b strings.Builder
	used := 0
	for _, word := range strings.Fields(text) {
		n := len([]rune(word))
		switch {
		case used == 0:
		case used+1+n > width:
			b.WriteString("\n" + indent)
			used = 0
		default:
			b.WriteString(" ")
			used++
		}
		b.WriteString(word)
		used += n
	}
	return b.String()
}
