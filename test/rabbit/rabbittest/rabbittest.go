// Package rabbittest gives tests their RabbitMQ nodes. A package that uses it
// has this TestMain:
//
//	func TestMain(m *testing.M) { rabbittest.Main(m) }
//
// or, to look for leaked goroutines when the shared nodes are gone:
//
//	func TestMain(m *testing.M) { goleak.VerifyTestMain(rabbittest.Tests(m)) }
//
// Where no node can be had, tests fail and say why: they are never skipped.
package rabbittest

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/d2e2d648/weir/test/rabbit"
)

// startLimit bounds the start of a node, the building of its tree included.
const startLimit = 5 * time.Minute

// Main runs the tests, ends the shared nodes, and exits.
func Main(m *testing.M) { os.Exit(Tests(m).Run()) }

// Tests returns m with the end of the shared nodes added to its Run.
func Tests(m *testing.M) *Suite {
	shared.open()
	return &Suite{tests: m}
}

// Suite is a test process's tests and the nodes that they share.
type Suite struct{ tests *testing.M }

// Run runs the tests, then ends the shared nodes, and returns the exit code.
func (s *Suite) Run() int {
	code := s.tests.Run()
	if err := shared.close(); err != nil {
		fmt.Fprintln(os.Stderr, "rabbittest:", err)
		code = max(code, 1)
	}
	return code
}

// EachVersion runs f as a subtest for every version of RabbitMQ, on the node
// that all tests of this process share: f keeps to names of its own and does
// the node no harm.
func EachVersion(t *testing.T, f func(t *testing.T, node *rabbit.Node)) {
	t.Helper()
	for _, version := range rabbit.Versions() {
		t.Run("RabbitMQ-"+version, func(t *testing.T) { f(t, Shared(t, version)) })
	}
}

// Shared returns this process's node of version, stream plugin included. The
// first call starts it.
func Shared(t testing.TB, version string) *rabbit.Node {
	t.Helper()
	node, err := shared.node(version)
	if err != nil {
		t.Fatal(err)
	}
	return node
}

// Fresh starts a node for this test alone, which may do to it what it likes; it
// is closed when the test ends.
func Fresh(t testing.TB, options rabbit.Options) *rabbit.Node {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), startLimit)
	defer cancel()
	node, err := rabbit.Start(ctx, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := node.Close(); err != nil {
			t.Error(err)
		}
	})
	return node
}
