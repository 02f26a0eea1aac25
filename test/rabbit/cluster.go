package rabbit

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"
)

// Cluster is a private broker of several nodes, each as private as one alone.
// They share a cookie and the first node's epmd, and see within some five
// seconds that one of them is silent. A partition heals by itself: whoever is
// on the smaller side starts again.
type Cluster struct {
	Nodes  []*Node
	cookie string
}

// StartCluster starts so many nodes of one kind, and blocks until all are
// members of one cluster: three take 10 to 25 s. Otherwise it is as [Start].
func StartCluster(ctx context.Context, options Options, size int) (*Cluster, error) {
	if options.Version == "" {
		options.Version = V4_0
	}
	tree, err := Tree(ctx, options.Version)
	if err != nil {
		return nil, err
	}
	c := &Cluster{cookie: rand.Text()}
	for range size {
		s, err := takeSlot()
		if err != nil {
			return nil, errors.Join(err, c.Close())
		}
		c.Nodes = append(c.Nodes, &Node{options: options, tree: tree, slot: s, cluster: c})
	}
	if err := c.boot(ctx); err != nil {
		err = fmt.Errorf("start a cluster of RabbitMQ %s: %w", options.Version, err)
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// boot starts the epmd, and then all nodes at once: the first one of RabbitMQ 4
// waits for the others.
func (c *Cluster) boot(ctx context.Context) error {
	first := c.Nodes[0]
	if err := first.startEpmd(); err != nil {
		return err
	}
	errs := make([]error, len(c.Nodes))
	var all sync.WaitGroup
	for i, n := range c.Nodes {
		n.epmd = first.epmd
		all.Go(func() { errs[i] = n.boot(ctx) })
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	_, err := first.Ctl(ctx, "await_online_nodes", fmt.Sprint(len(c.Nodes)))
	return err
}

// Close is that of every node.
func (c *Cluster) Close() error {
	errs := make([]error, 0, len(c.Nodes))
	for i := len(c.Nodes) - 1; i >= 0; i-- { // the first has the epmd
		errs = append(errs, c.Nodes[i].Close())
	}
	return errors.Join(errs...)
}

// URL is where an AMQP client of the default user dials: any node.
func (c *Cluster) URL() string {
	return "amqp://guest:guest@" + c.addresses((*Node).Address) + "/"
}

// StreamURL is that of streams.
func (c *Cluster) StreamURL() string {
	return "rabbitmq-stream://guest:guest@" + c.addresses((*Node).StreamAddress)
}

func (c *Cluster) addresses(of func(*Node) string) string {
	all := make([]string, len(c.Nodes))
	for i, n := range c.Nodes {
		all[i] = of(n)
	}
	return strings.Join(all, ",")
}

// A node alone has no cluster: the methods below are for nil, too.

func (c *Cluster) isFirst(n *Node) bool { return c.first(n) == n }

func (c *Cluster) first(n *Node) *Node {
	if c == nil {
		return n
	}
	return c.Nodes[0]
}

// secret is the Erlang cookie, by which nodes and tools know each other.
func (c *Cluster) secret() string {
	if c == nil {
		return rand.Text()
	}
	return c.cookie
}

// config is what rabbitmq.conf says of the cluster.
func (c *Cluster) config() []string {
	if c == nil {
		return nil
	}
	lines := []string{
		"net_ticktime = 5",
		"cluster_partition_handling = autoheal",
		"cluster_formation.peer_discovery_backend = classic_config",
	}
	for i, n := range c.Nodes {
		lines = append(lines, fmt.Sprintf("cluster_formation.classic_config.nodes.%d = %s", i+1, n.Name()))
	}
	return lines
}
