package chaos

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/d2e2d648/weir/test/rabbit/rabbittest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(rabbittest.Tests(m))
}
