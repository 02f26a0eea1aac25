package main

import (
	"crypto/rand"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/d2e2d648/weir"
	"github.com/d2e2d648/weir/test/rabbit"
	"github.com/d2e2d648/weir/test/rabbit/rabbittest"
)

func TestSniffOfAStream(t *testing.T) {
	rt := embeddedRuntime(t)
	name := newName("events", rand.Text())
	s := stopperOf(t)
	for i, reader := range []string{"billing", "search"} {
		if _, err := weir.OpenReader(sniffContext(t), rt, name, weir.Text(), weir.Name(reader), weir.Stream(), weir.Group("readers", i, 2), weir.HealthInterval(50*time.Millisecond)); err != nil {
			t.Fatal(err)
		}
	}
	snapshot := takeSnapshot(t, rt, name, "--plane", "stream", "--listen", "300ms")
	q := snapshot.Queues
	if len(q) != 2 || q[0].Name != name || q[0].Type != planeStream || !*q[0].Exists || q[0].Ready != nil || q[0].Consumers != nil || q[1].Type != planeQueue || *q[1].Ready != 0 {
		t.Errorf("%+v", q)
	}
	if len(snapshot.Peers) != 2 || snapshot.Peers[0].Name != "billing" || snapshot.Peers[0].Health != healthy {
		t.Errorf("%+v", snapshot.Peers)
	}
	cmd := &parseInto(t, "sniff", name, "--broker", "amqp://localhost", "--plane", "stream", "--every", "1s").Sniff
	var said output
	out := &interrupter{when: "2 readers, 2 healthy", stop: s}
	if err := cmd.sniff(&console{out: out, err: &said}, s, rt); err != nil {
		t.Fatal(err)
	}
	if text := out.String(); !strings.Contains(text, "; stream "+name+"\n") || strings.Contains(text, "ready") {
		t.Error(text)
	}
}

func TestWhatIsSeenOfAStreamIsOfNoQueue(t *testing.T) {
	for _, c := range []struct {
		seen queueSeen
		want string
	}{
		{queueSeen{name: "c", main: true, stream: true, known: true, exists: true}, "stream c"},
		{queueSeen{name: "c", main: true, stream: true, known: true}, "no stream c"},
		{queueSeen{name: "c", main: true, known: true}, "no queue c"},
	} {
		r := &roster{queues: []queueSeen{c.seen}}
		if got := r.queueTexts(); !reflect.DeepEqual(got, []string{c.want}) {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}
func TestSniffOfAStreamLeavesNoTraceAtRabbitMQ(t *testing.T) {
	rabbittest.EachVersion(t, func(t *testing.T, node *rabbit.Node) {
		channel := newName("sniff.stream", rand.Text())
		command(t, exitFine, "a\nb\n", streamArgs(node, "write", channel, "--create", "--name", "shop")...)
		was := resources(t, node)
		rt := rabbitRuntime(t, node)
		console, _, _ := captured("")
		s, err := openSniffer(sniffContext(t), console, rt, channel, true, sniffLimit)
		if err != nil {
			t.Fatal(err)
		}
		defer s.close()
		if now := resources(t, node); now != was {
			t.Errorf("there was\n%s\nand with the sniffer is\n%s", was, now)
		}
		out, _ := command(t, exitFine, "", "sniff", channel, "--plane", "stream", "--broker", node.URL(), "--json", "--listen", "300ms")
		snapshot := decodeSnapshot(t, out)
		if q := snapshot.Queues[0]; q.Type != planeStream || !*q.Exists || q.Ready != nil || q.Consumers != nil || len(snapshot.Queues) != 2 {
			t.Errorf("%+v", snapshot.Queues)
		}
		if len(snapshot.Peers) != 1 || snapshot.Peers[0].Name != "shop" || snapshot.Peers[0].Health != closed {
			t.Errorf("%+v", snapshot.Peers)
		}
	})
}
