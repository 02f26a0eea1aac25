package process

import (
	"flag"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/d2e2d648/weir/test/rabbit"
	"github.com/d2e2d648/weir/test/rabbit/rabbittest"
)

// seedFlag draws the moments of a run again; what happens between two lines of a child is not drawn.
var seedFlag = flag.Uint64("seed", 0, "draw from this seed; 0: from another each time")

// floodFlag is how many records of 10 KiB a flood has.
var floodFlag = flag.Int("flood", 10_000, "records of 10 KiB of a flood")

func TestMain(m *testing.M) {
	if text := os.Getenv(childEnv); text != "" {
		os.Exit(beChild(text))
	}
	goleak.VerifyTestMain(rabbittest.Tests(m))
}

// eachVersion runs a test on both versions at once. Tests of this package follow one another, so a test may do harm to the nodes, which are its process's own, and makes it good before it ends.
func eachVersion(t *testing.T, f func(t *testing.T, node *rabbit.Node)) {
	for _, version := range rabbit.Versions() {
		t.Run("RabbitMQ-"+version, func(t *testing.T) {
			t.Parallel()
			f(t, rabbittest.Shared(t, version))
		})
	}
}

// eachPlane runs a test on a queue and on a stream at once.
func eachPlane(t *testing.T, f func(t *testing.T, stream bool)) {
	for _, stream := range []bool{false, true} {
		t.Run(plane(stream), func(t *testing.T) {
			t.Parallel()
			f(t, stream)
		})
	}
}

// planesInTurn is for what the whole node feels.
func planesInTurn(t *testing.T, f func(t *testing.T, stream bool)) {
	for _, stream := range []bool{false, true} {
		t.Run(plane(stream), func(t *testing.T) { f(t, stream) })
	}
}

func plane(stream bool) string {
	if stream {
		return "stream"
	}
	return "queue"
}
