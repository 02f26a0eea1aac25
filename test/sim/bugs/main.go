// Bugs shows what the simulation finds: it plants one bug at a time in a copy of the module and counts the seeds until a schedule is violated.
// The product has no switches for this: a bug is a textual patch, and one that no longer applies is an error.
//
//	go run ./test/sim/bugs [-seeds 50000] [-only NAME] [-module DIR]
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

func main() {
	seeds := flag.Int("seeds", 50_000, "the most seeds to try in each mode")
	only := flag.String("only", "", "plant only the bug of this name")
	module := flag.String("module", ".", "the module's directory")
	flag.Parse()
	failed := false
	clean, remove, err := build(*module, nil)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	defer remove()
	fmt.Printf("%-18s %-7s %8s %10s  %s\n", "bug", "mode", "seeds", "after", "what was violated")
	for _, b := range bugs {
		if *only != "" && b.name != *only {
			continue
		}
		found, err := b.hunt(*module, clean, *seeds)
		switch {
		case err != nil:
			fmt.Printf("%-18s %v\n", b.name, err)
			failed = true
		case !found && b.harmless == "":
			failed = true
		case !found:
			fmt.Printf("%-18s harmless here: %s\n", b.name, b.harmless)
		}
	}
	if failed {
		remove()
		os.Exit(1)
	}
}

// hunt plants the bug, and runs the simulation in either mode until the first violation. A schedule that is violated without the bug, too, says nothing
// about the bug: that is an error.
func (b *bug) hunt(module, clean string, seeds int) (found bool, err error) {
	planted, remove, err := build(module, b.patches)
	if err != nil {
		return false, err
	}
	defer remove()
	if b.harmless != "" {
		seeds = min(seeds, 5000)
	}
	for _, mode := range []string{"fine", "atomic"} {
		begin := time.Now()
		out, _ := exec.Command(planted, "-first", "-workers", "1", "-seeds", strconv.Itoa(seeds), "-mode", mode).CombinedOutput()
		seed, what, violated := parse(string(out))
		took := time.Since(begin).Round(time.Millisecond)
		if !violated {
			fmt.Printf("%-18s %-7s %8d %10s  nothing\n", b.name, mode, seeds, took)
			continue
		}
		if seed == "" {
			return false, errors.New(what)
		}
		if out, err := exec.Command(clean, "-seed", seed, "-mode", mode).CombinedOutput(); err != nil {
			return false, fmt.Errorf("seed %s, %s, is violated without the bug, too: mend that first\n%s", seed, mode, out)
		}
		found = true
		fmt.Printf("%-18s %-7s %8s %10s  %s\n", b.name, mode, seed, took, what)
	}
	return found, nil
}

// build copies the module, plants what is given, and builds the simulation there.
func build(module string, patches []patch) (simulate string, remove func(), err error) {
	dir, err := os.MkdirTemp("", "weir-bug-")
	if err != nil {
		return "", nil, err
	}
	defer func() {
		if err != nil {
			os.RemoveAll(dir)
		}
	}()
	if err := copyModule(module, dir); err != nil {
		return "", nil, err
	}
	if err := plant(dir, patches); err != nil {
		return "", nil, err
	}
	simulate = filepath.Join(dir, "simulate.bin")
	cmd := exec.Command("go", "build", "-o", simulate, "./test/sim/cmd/simulate")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", nil, fmt.Errorf("does not build: %s", out)
	}
	return simulate, func() { os.RemoveAll(dir) }, nil
}

var violation = regexp.MustCompile(`VIOLATED, seed (\d+), \w+:\n  (.*)\n`)

func parse(out string) (seed, what string, violated bool) {
	if m := violation.FindStringSubmatch(out); m != nil {
		return m[1], m[2], true
	}
	if !strings.Contains(out, "violated: 0") {
		return "", "the simulation crashed: " + out[:min(len(out), 120)], true
	}
	return "", "", false
}

// copyModule copies what the simulation is built of.
func copyModule(from, to string) error {
	for _, part := range []string{"go.mod", "go.sum", "actors", "broker", "messages", "supervisor", "test/sim"} {
		err := filepath.WalkDir(filepath.Join(from, part), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || strings.HasSuffix(path, "_test.go") {
				return err
			}
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			relative, err := filepath.Rel(from, path)
			if err != nil {
				return err
			}
			target := filepath.Join(to, relative)
			if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
				return err
			}
			return os.WriteFile(target, content, 0o644)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// plant applies the patches. Each must fit at exactly one place.
func plant(dir string, patches []patch) error {
	for _, p := range patches {
		path := filepath.Join(dir, p.file)
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if n := bytes.Count(content, []byte(p.was)); n != 1 {
			return fmt.Errorf("the patch of %s fits at %d places, not at one: it needs mending:\n%s", p.file, n, p.was)
		}
		if err := os.WriteFile(path, bytes.Replace(content, []byte(p.was), []byte(p.is), 1), 0o644); err != nil {
			return err
		}
	}
	return nil
}
