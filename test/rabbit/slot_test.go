package rabbit

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"
)

// take takes a slot from the real cache: its locks keep these tests off the
// ports of nodes that other test processes are starting.
func take(t *testing.T) *slot {
	t.Helper()
	s, err := takeSlot()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.release() })
	return s
}

func TestSlotsAreNotShared(t *testing.T) {
	if a, b := take(t), take(t); a.base == b.base || a.dir == b.dir {
		t.Errorf("two slots are one: %v and %v", a, b)
	}
}

func TestSlotsStayOffPortsInUse(t *testing.T) {
	first, err := takeSlot()
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := net.Listen("tcp4", loopback(first.epmd()))
	first.release() // once: from here on it may be another's
	if err != nil {
		t.Fatal(err)
	}
	defer foreign.Close()
	if second := take(t); second.base == first.base {
		t.Errorf("slot %d was taken though its last port is in use", second.base)
	}
}

func TestSlotsAreTakenWithoutLeftovers(t *testing.T) {
	first := take(t)
	leftover := filepath.Join(first.dir, "leftover")
	if err := os.WriteFile(leftover, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := first.clear(); err != nil { // as the next to take it does
		t.Fatal(err)
	}
	if _, err := os.Stat(leftover); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the last owner's data is still there: %v", err)
	}
}

func TestLockWaitsNoLongerThanItsContext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	held, err := lock(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := lock(ended, path); !errors.Is(err, context.Canceled) {
		t.Errorf("lock that is held: %v, want the context's end", err)
	}
	held.Close()
	again, err := lock(t.Context(), path)
	if err != nil {
		t.Fatalf("lock that was released: %v", err)
	}
	again.Close()
}
