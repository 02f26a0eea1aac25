package rabbit

import (
	"os/exec"
	"syscall"
	"testing"
)

// A child that is frozen has no thread that runs when freeze returns; one that goes on has; and to freeze one that has ended is no error.
func TestFreezeWaitsForEveryThread(t *testing.T) {
	p, err := launch(exec.Command("tail", "-f", "/dev/null"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	if runs, err := p.runs(); !runs || err != nil {
		t.Errorf("before: it runs %v, %v", runs, err)
	}
	for range 100 {
		if err := p.freeze(); err != nil {
			t.Fatal(err)
		}
		if runs, err := p.runs(); runs || err != nil {
			t.Fatalf("frozen: it runs %v, %v", runs, err)
		}
		if err := p.signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
	}
	p.kill()
	if err := p.freeze(); err != nil {
		t.Errorf("of one that has ended: %v", err)
	}
}
