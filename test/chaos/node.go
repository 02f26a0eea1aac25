package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/d2e2d648/weir/test/rabbit"
)

// Node is a private node and the network before it, or several that are one broker and have none.
type Node struct {
	*rabbit.Node        // of several, the first
	amqp, stream *Proxy // of one node
	nodes        []*rabbit.Node
	close        func() error

	mu   sync.Mutex
	down map[*rabbit.Node]bool // killed or frozen
}

// StartCluster starts three nodes that are one broker. It must be closed.
func StartCluster(ctx context.Context, version string) (*Node, error) {
	c, err := rabbit.StartCluster(ctx, rabbit.Options{Version: version, Stream: true}, 3)
	if err != nil {
		return nil, err
	}
	n := &Node{Node: c.Nodes[0], nodes: c.Nodes, close: c.Close, down: map[*rabbit.Node]bool{}}
	if _, err := n.Ctl(ctx, "eval", addUser); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return n, nil
}

// StartNode starts one. It must be closed.
func StartNode(ctx context.Context, version string) (*Node, error) {
	node, err := rabbit.Start(ctx, rabbit.Options{Version: version, Stream: true})
	if err != nil {
		return nil, err
	}
	n, err := Behind(ctx, node)
	if err != nil {
		return nil, errors.Join(err, node.Close())
	}
	return n, nil
}

// Behind puts a network before a node, and makes the user whose credentials are revoked. CloseNetwork ends the network, and leaves the node.
func Behind(ctx context.Context, node *rabbit.Node) (*Node, error) {
	if _, err := node.Ctl(ctx, "eval", addUser); err != nil {
		return nil, err
	}
	a, err := NewProxy(node.Address())
	if err != nil {
		return nil, err
	}
	s, err := NewProxy(node.StreamAddress())
	if err != nil {
		a.Close()
		return nil, err
	}
	return &Node{Node: node, amqp: a, stream: s, nodes: []*rabbit.Node{node}, close: node.Close, down: map[*rabbit.Node]bool{}}, nil
}

// Close ends the network and the node.
func (n *Node) Close() error {
	n.CloseNetwork()
	return n.close()
}

// CloseNetwork ends the network alone.
func (n *Node) CloseNetwork() {
	for _, p := range n.proxies(Both) {
		p.Close()
	}
}

// url and streamURL are for the users. Each of them begins with another node.
func (n *Node) url(turn int) string {
	all := n.from(turn, (*rabbit.Node).Address)
	if n.amqp != nil {
		all = n.amqp.Address()
	}
	return fmt.Sprintf("amqp://%s:%s@%s/", user, password, all)
}

func (n *Node) streamURL(turn int) string {
	all := n.from(turn, (*rabbit.Node).StreamAddress)
	if n.stream != nil {
		all = n.stream.Address()
	}
	return fmt.Sprintf("rabbitmq-stream://%s:%s@%s/", user, password, all)
}

func (n *Node) from(turn int, address func(*rabbit.Node) string) string {
	var all []string
	for i := range n.nodes {
		all = append(all, address(n.nodes[(turn+i)%len(n.nodes)]))
	}
	return strings.Join(all, ",")
}

// is notes that a node is down, or up again.
func (n *Node) is(node *rabbit.Node, down bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.down[node] = down
}

// up is a node that is not down.
func (n *Node) up() *rabbit.Node {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, node := range n.nodes {
		if !n.down[node] {
			return node
		}
	}
	return n.Node
}

// Ctl is that of a node that is up.
func (n *Node) Ctl(ctx context.Context, args ...string) (string, error) {
	return n.up().Ctl(ctx, args...)
}

// proxies are those of the ports.
func (n *Node) proxies(ports Ports) []*Proxy {
	switch {
	case n.amqp == nil:
		return nil
	case ports == AMQP:
		return []*Proxy{n.amqp}
	case ports == Stream:
		return []*Proxy{n.stream}
	}
	return []*Proxy{n.amqp, n.stream}
}

// calm ends every fault that a schedule may have left.
func (n *Node) calm(ctx context.Context) error {
	for _, p := range n.proxies(Both) {
		p.Set(Weather{})
	}
	errs := make([]error, 0, len(n.nodes))
	for _, node := range n.nodes {
		errs = append(errs, node.Thaw())
	}
	return errors.Join(errs...)
}

// direct does something on an AMQP channel that goes round the proxies.
func (n *Node) direct(do func(*amqp.Channel) error) error {
	conn, err := amqp.DialConfig(n.up().URL(), amqp.Config{Heartbeat: 10 * time.Second, Locale: "en_US", Dial: amqp.DefaultDial(10 * time.Second)})
	if err != nil {
		return err
	}
	defer func() { _ = conn.CloseDeadline(time.Now().Add(2 * time.Second)) }()
	ch, err := conn.Channel()
	if err != nil {
		return err
	}
	return do(ch)
}

// deleteQueue deletes a queue or a stream; that it is not there is no error. A broker that has just started answers before it knows where its streams are.
func (n *Node) deleteQueue(ctx context.Context, name string) error {
	for {
		err := n.direct(func(ch *amqp.Channel) error {
			_, err := ch.QueueDelete(name, false, false, false)
			return err
		})
		if refused := (*amqp.Error)(nil); !errors.As(err, &refused) || refused.Code != amqp.NotFound {
			return err
		}
		select {
		case <-time.After(50 * time.Millisecond): // nobody announces it
		case <-ctx.Done():
			return err
		}
	}
}

// clean deletes what a channel has left.
func (n *Node) clean(channel string) error {
	return n.direct(func(ch *amqp.Channel) error {
		for _, queue := range []string{channel, channel + ".dead", channel + ".reader.status", channel + ".writer.status"} {
			if _, err := ch.QueueDelete(queue, false, false, false); err != nil {
				return err
			}
		}
		return ch.ExchangeDelete(channel, false, false)
	})
}

// depth says how many records a queue has ready, for what is said of lost ones.
func (n *Node) depth(queue string) string {
	var text string
	err := n.direct(func(ch *amqp.Channel) error {
		q, err := ch.QueueDeclarePassive(queue, true, false, false, false, nil)
		text = fmt.Sprintf("%d records and %d consumers", q.Messages, q.Consumers)
		return err
	})
	if err != nil {
		return err.Error()
	}
	return text
}

// servesWithin is how long the broker may take for a record of somebody who is not weir.
const servesWithin = 10 * time.Second

// serves has a record go through a new queue or stream of the plan's kind, by the AMQP client alone. What a broker does to that, it does to everybody: after some storms RabbitMQ has no process for any quorum queue,
// and ends each connection that consumes one.
func (n *Node) serves(ctx context.Context, p *Plan) error {
	ctx, cancel := context.WithTimeout(ctx, servesWithin)
	defer cancel()
	kind, from := "quorum", amqp.Table{}
	switch {
	case p.Stream:
		kind, from = "stream", amqp.Table{"x-stream-offset": "first"}
	case p.Compat:
		kind = "classic"
	}
	return n.direct(func(ch *amqp.Channel) error {
		queue := fmt.Sprintf("chaos-serves-%08x", rand.Uint32())
		if _, err := ch.QueueDeclare(queue, true, false, false, false, amqp.Table{"x-queue-type": kind}); err != nil {
			return err
		}
		defer func() { _, _ = ch.QueueDelete(queue, false, false, false) }()
		if err := errors.Join(ch.Confirm(false), ch.Qos(1, 0, false)); err != nil {
			return err
		}
		confirm, err := ch.PublishWithDeferredConfirmWithContext(ctx, "", queue, false, false, amqp.Publishing{DeliveryMode: amqp.Persistent})
		if err != nil {
			return err
		}
		if _, err := confirm.WaitContext(ctx); err != nil {
			return fmt.Errorf("a record of a %s queue is not confirmed: %w", kind, err)
		}
		deliveries, err := ch.Consume(queue, "", false, false, false, false, from)
		if err != nil {
			return err
		}
		select {
		case _, came := <-deliveries:
			if !came {
				return fmt.Errorf("the consumer of a %s queue is cut off", kind)
			}
			return nil
		case <-ctx.Done():
			return fmt.Errorf("the record of a %s queue is not delivered within %v", kind, servesWithin)
		}
	})
}

// gone says that the broker knows of the queue or the stream, and has not started it: it answers everybody that it is "down or inaccessible".
func (n *Node) gone(ctx context.Context, queue string) (bool, error) {
	out, err := n.Ctl(ctx, "eval", fmt.Sprintf(`rabbit_amqqueue:with(rabbit_misc:r(<<"/">>, queue, <<"%s">>), fun(_) -> there end, fun({absent, _, _}) -> absent; (_) -> other end).`, queue))
	return strings.TrimSpace(out) == "absent", err
}

// consumers asks the broker who consumes what, of the channel's queues and streams: how many each has.
func (n *Node) consumers(ctx context.Context, channel string) (map[string]int, error) {
	out, err := n.Ctl(ctx, "eval", listConsumers)
	if err != nil {
		return nil, err
	}
	count := map[string]int{}
	for _, quoted := range quotedName.FindAllStringSubmatch(out, -1) {
		if name := quoted[1]; name == channel || strings.HasPrefix(name, channel+".") || strings.HasPrefix(name, channel+"@") {
			count[name]++
		}
	}
	return count, nil
}

// listConsumers names the queue or the stream of each consumer, of both protocols. The tool's commands leave out those that consume a stream over AMQP. What a connection leaves behind that has died is in the table
// for some minutes.
const listConsumers = `[element(4, element(1, element(1, C))) || N <- [node() | nodes()], C <- rpc:call(N, ets, tab2list, [consumer_created]), rpc:call(N, erlang, is_process_alive, [element(2, element(1, C))])].`

var quotedName = regexp.MustCompile(`<<"([^"]*)">>`)
