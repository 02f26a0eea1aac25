// Command node prepares private RabbitMQ nodes, and runs one by hand:
//
//	go run ./test/rabbit/cmd/node prepare        # C toolchain for -race, and a tree of every version
//	go run ./test/rabbit/cmd/node start 4.0.5    # prints the URLs of AMQP and of streams; ctrl-C ends the node
//	go run ./test/rabbit/cmd/node cluster 4.0.5  # the same, of three nodes that are one broker
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/d2e2d648/weir/test/rabbit"
)

var errUsage = errors.New("usage: node prepare | node start [VERSION] | node cluster [VERSION]")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "node:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	version := rabbit.V4_0
	if len(args) == 2 {
		version = args[1]
	}
	switch {
	case len(args) == 1 && args[0] == "prepare":
		return prepare(ctx)
	case len(args) > 0 && len(args) < 3 && args[0] == "start":
		return start(ctx, version)
	case len(args) > 0 && len(args) < 3 && args[0] == "cluster":
		return cluster(ctx, version)
	default:
		return errUsage
	}
}

// prepare does what tests need once on a machine, and nothing when it is done.
func prepare(ctx context.Context) error {
	if err := rabbit.Toolchain(ctx); err != nil {
		return err
	}
	for _, version := range rabbit.Versions() {
		if _, err := rabbit.Tree(ctx, version); err != nil {
			return err
		}
	}
	return nil
}

// start runs a node until ctx ends.
func start(ctx context.Context, version string) error {
	node, err := rabbit.Start(ctx, rabbit.Options{Version: version, Stream: true})
	if err != nil {
		return err
	}
	fmt.Println(node.URL())
	fmt.Println(node.StreamURL())
	fmt.Fprintf(os.Stderr, "RabbitMQ %s runs; log in %s; ctrl-C ends it\n", version, node.Log())
	<-ctx.Done()
	return node.Close()
}

// cluster runs three nodes until ctx ends. Each one's process id is told, for kill -9 and kill -STOP.
func cluster(ctx context.Context, version string) error {
	c, err := rabbit.StartCluster(ctx, rabbit.Options{Version: version, Stream: true}, 3)
	if err != nil {
		return err
	}
	fmt.Println(c.URL())
	fmt.Println(c.StreamURL())
	for _, n := range c.Nodes {
		fmt.Fprintf(os.Stderr, "%s at %s, process %d, log in %s\n", n.Name(), n.Address(), n.Pid(), n.Log())
	}
	fmt.Fprintf(os.Stderr, "a cluster of RabbitMQ %s runs; try go run ./cmd/demo run --broker %s; ctrl-C ends it\n", version, c.URL())
	<-ctx.Done()
	return c.Close()
}
