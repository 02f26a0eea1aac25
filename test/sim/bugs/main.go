// Bugs shows what the simulation finds: it plants one bug at a time in a copy of the module and counts the schedules until one is violated.
// The product has no switches for this: a bug is a textual patch, and one that no longer applies is an error.
//
//	go run ./test/sim/bugs [-seeds 5000] [-only NAME] [-module DIR] [-report FILE]
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
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/d2e2d648/weir/test/page"
)

func main() { os.Exit(run()) }

func run() int {
	seeds := flag.Int("seeds", 5000, "the most seeds to try in each mode")
	only := flag.String("only", "", "plant only the bug of this name")
	module := flag.String("module", ".", "the module's directory")
	report := flag.String("report", "", "write the table into this file, between its markers")
	flag.Parse()
	began := time.Now()
	clean, remove, err := build(*module, nil)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	defer remove()
	var table strings.Builder
	table.WriteString("| planted bug | fine | atomic | what was violated first |\n|---|--:|--:|---|\n")
	fmt.Printf("%-22s %8s %8s  %s\n", "bug", "fine", "atomic", "what was violated")
	tried, found, failed := 0, 0, 0
	for i := range bugs {
		b := &bugs[i]
		if *only != "" && b.name != *only {
			continue
		}
		tried++
		h, err := b.hunt(*module, clean, *seeds)
		if err != nil {
			fmt.Printf("%-22s %v\n", b.name, err)
			failed++
			continue
		}
		what := h.what()
		switch {
		case what != "":
			found++
		case b.rare != "":
			what = "not found: " + b.rare
		default:
			what = "not found"
			failed++
		}
		fmt.Printf("%-22s %8s %8s  %s\n", b.name, h[0].seed, h[1].seed, what)
		fmt.Fprintf(&table, "| %s | %s | %s | %s |\n", b.name, h[0].seed, h[1].seed, what)
	}
	fmt.Printf("%d of %d bugs were found, in %s\n", found, tried, time.Since(began).Round(time.Second))
	if *report != "" {
		text := fmt.Sprintf("%s\n%d of %d were found, by at most %d schedules in each mode.\n\n`go run ./test/sim/bugs -seeds %d`, %d cores, %s, %s.\n", &table, found, tried, *seeds, *seeds, runtime.NumCPU(),
			runtime.Version(), time.Since(began).Round(time.Second))
		if err := page.Write(*report, "simulation bugs", text); err != nil {
			fmt.Println(err)
			failed++
		}
	}
	return min(failed, 1)
}

// hunt is what came of the two modes.
type hunt [2]struct{ seed, what string }

func (h *hunt) what() string {
	for _, m := range h {
		if m.what != "" {
			return m.what
		}
	}
	return ""
}

// hunt plants the bug, and runs the simulation in either mode until the first violation. A schedule that is violated without the bug, too, says nothing
// about the bug: that is an error.
func (b *bug) hunt(module, clean string, seeds int) (h hunt, err error) {
	planted, remove, err := build(module, b.patches)
	if err != nil {
		return h, err
	}
	defer remove()
	var modes sync.WaitGroup
	errs := make([]error, len(h))
	for i, mode := range []string{"fine", "atomic"} {
		modes.Go(func() { h[i].seed, h[i].what, errs[i] = find(planted, clean, mode, seeds) })
	}
	modes.Wait()
	return h, errors.Join(errs...)
}

func find(planted, clean, mode string, seeds int) (seed, what string, err error) {
	out, _ := exec.Command(planted, "-first", "-shrink", "0", "-workers", "1", "-seeds", strconv.Itoa(seeds), "-mode", mode).CombinedOutput()
	seed, what, violated := parse(string(out))
	switch {
	case !violated:
		return "–", "", nil
	case seed == "":
		return "", "", errors.New(what)
	}
	if out, err := exec.Command(clean, "-seed", seed, "-mode", mode).CombinedOutput(); err != nil {
		return "", "", fmt.Errorf("seed %s, %s, is violated without the bug, too: mend that first\n%s", seed, mode, out)
	}
	return seed, what, nil
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
	for _, part := range []string{"go.mod", "go.sum", "actors", "broker", "messages", "supervisor", "test/page", "test/sim"} {
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
