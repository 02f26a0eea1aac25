package rabbit_test

import (
	"context"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/d2e2d648/weir/test/rabbit"
	"github.com/d2e2d648/weir/test/rabbit/rabbittest"
)

// ownerEnv makes the test binary an owner of a node of the version that it
// names, for the test that kills owners.
const ownerEnv = "WEIR_TEST_OWN_NODE"

func TestMain(m *testing.M) {
	if version := os.Getenv(ownerEnv); version != "" {
		own(version)
	}
	goleak.VerifyTestMain(rabbittest.Tests(m))
}

// own starts a node, tells its name on stdout, and does nothing for ever.
func own(version string) {
	node, err := rabbit.Start(context.Background(), rabbit.Options{Version: version})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(node.Name())
	select {}
}
