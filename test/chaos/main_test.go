package chaos

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/d2e2d648/weir/test/rabbit/rabbittest"
)

// What hangs in the stream client's login is there for ever (see package rabbitstream).
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(rabbittest.Tests(m))
}
