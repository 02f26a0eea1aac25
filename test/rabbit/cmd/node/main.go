// Command node prepares private RabbitMQ nodes, and runs one by hand:
//
//	go run ./test/rabbit/cmd/node prepare        # C toolchain for -race, and a tree of every version
//	go run ./test/rabbit/cmd/node start 4.0.5    # prints the URLs of AMQP and of streams; ctrl-C ends the node
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

var errUsage = errors.New("usage: node prepare | node start [VERSION]")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "node:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	switch {
	case len(args) == 1 && args[0] == "prepare":
		return prepare(ctx)
	case len(args) == 1 && args[0] == "start":
		return start(ctx, rabbit.V4_0)
	case len(args) == 2 && args[0] == "start":
		return start(ctx, args[1])
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
