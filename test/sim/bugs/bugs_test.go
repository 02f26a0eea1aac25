package main

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	smallest = regexp.MustCompile(`smallest, of (\d+) that were tried, with (\d+) of (\d+) faults: (.*)\n  go run ./test/sim/cmd/simulate (.*) -v\n`)
	whole    = regexp.MustCompile(`VIOLATED, seed \d+, \w+:\n  (.*)\n  go run ./test/sim/cmd/simulate (.*) -v\n`)
)

// A planted bug is found, the schedule that found it is made smaller, and the two commands that are printed replay the whole and the smallest: violated in the same way with the bug, and not
// without it.
func TestAViolationIsMadeSmallerAndReplayed(t *testing.T) {
	module := filepath.Join("..", "..", "..")
	clean, remove, err := build(module, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer remove()
	b := named(t, "ForgetUnconfirmed")
	planted, removePlanted, err := build(module, b.patches)
	if err != nil {
		t.Fatal(err)
	}
	defer removePlanted()
	out, err := exec.Command(planted, "-first", "-workers", "1", "-mode", "fine").CombinedOutput()
	if err == nil {
		t.Fatalf("nothing is violated:\n%s", out)
	}
	large, small := whole.FindSubmatch(out), smallest.FindSubmatch(out)
	if large == nil || small == nil {
		t.Fatalf("it says neither how to replay nor what is smallest:\n%s", out)
	}
	if kept, drawn := string(small[2]), string(small[3]); len(kept) == len(drawn) && kept >= drawn {
		t.Errorf("%s of %s faults are kept", kept, drawn)
	}
	for _, c := range []struct{ command, what string }{{string(large[2]), string(large[1])}, {string(small[5]), string(small[4])}} {
		args := strings.Fields(c.command)
		if out, err := exec.Command(planted, args...).CombinedOutput(); err == nil || !strings.Contains(string(out), c.what) {
			t.Errorf("with the bug, %q gives %v, not %q:\n%s", args, err, c.what, out)
		}
		if out, err := exec.Command(clean, args...).CombinedOutput(); err != nil {
			t.Errorf("without the bug, %q is violated, too:\n%s", args, out)
		}
	}
}

func named(t *testing.T, name string) *bug {
	for i := range bugs {
		if bugs[i].name == name {
			return &bugs[i]
		}
	}
	t.Fatalf("no bug %s", name)
	return nil
}

// Every patch fits. (Whether the bugs are found is shown by running this command.)
func TestPatchesFit(t *testing.T) {
	for i := range bugs {
		dir := t.TempDir()
		if err := copyModule(filepath.Join("..", "..", ".."), dir); err != nil {
			t.Fatal(err)
		}
		if err := plant(dir, bugs[i].patches); err != nil {
			t.Errorf("%s: %v", bugs[i].name, err)
		}
	}
}
