package rabbit

import (
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"time"
)

// handshakeLimit bounds one attempt: a starting node may accept a connection
// before it answers on it.
const handshakeLimit = 2 * time.Second

// ready says whether the node answers on every port that it should answer on.
func (n *Node) ready(ctx context.Context) bool {
	if handshake(ctx, n.Address()) != nil {
		return false
	}
	return !n.options.Stream || listens(ctx, n.StreamAddress())
}

// startupComplete is what a node logs when all of it has started.
var startupComplete = []byte("Server startup complete")

// complete says whether a node that starts for the first time has started whole.
// One that is ready before does not take itself for running yet: RabbitMQ 4.0
// then deletes a queue by force, as one that is down, and leaves its process and
// its consumers behind, who hear nothing of it.
func (n *Node) complete(ctx context.Context) bool {
	log, err := os.ReadFile(n.Log())
	return err == nil && bytes.Contains(log, startupComplete) && n.ready(ctx)
}

// handshake dials a broker, offers it AMQP 0-9-1, and returns nil when the
// broker goes on with it.
func handshake(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, handshakeLimit)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer quietly(conn)
	defer context.AfterFunc(ctx, func() { quietly(conn) })()
	if _, err := conn.Write([]byte("AMQP\x00\x00\x09\x01")); err != nil {
		return err
	}
	frame := make([]byte, 11) // type, channel, size, class, method
	if _, err := io.ReadFull(conn, frame); err != nil {
		return err
	}
	// A method frame (1) on channel 0 with connection.start (10, 10).
	if !bytes.HasPrefix(frame, []byte{1, 0, 0}) || !bytes.HasSuffix(frame, []byte{0, 10, 0, 10}) {
		return &net.AddrError{Err: "does not speak AMQP 0-9-1", Addr: address}
	}
	return nil
}

// listens says whether anything accepts connections at address.
func listens(ctx context.Context, address string) bool {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return false
	}
	quietly(conn)
	return true
}
