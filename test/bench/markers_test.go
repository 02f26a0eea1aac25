package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const before = "# Title\n\nProse.\n\n<!-- bench:begin a -->\nold\n<!-- bench:end a -->\n\nMore.\n<!-- bench:begin b -->\n<!-- bench:end b -->\nEnd\n"

func TestSectionsAreReplaced(t *testing.T) {
	got, err := replaceSections(before, []section{{"a", "new\n\ntable\n\n"}, {"b", "x"}})
	want := "# Title\n\nProse.\n\n<!-- bench:begin a -->\nnew\n\ntable\n<!-- bench:end a -->\n\nMore.\n<!-- bench:begin b -->\nx\n<!-- bench:end b -->\nEnd\n"
	if err != nil || got != want {
		t.Errorf("got %q, %v", got, err)
	}
	if again, err := replaceSections(got, []section{{"a", "new\n\ntable\n\n"}}); err != nil || again != got {
		t.Errorf("a second time changes the page to %q, %v", again, err)
	}
	if other, err := replaceSections(before, []section{{"b", "x"}}); err != nil || !strings.Contains(other, "\nold\n") {
		t.Errorf("another section is gone: %q, %v", other, err)
	}
}

func TestMarkersMustBeThere(t *testing.T) {
	for name, text := range map[string]string{
		"missing":   "# Title",
		"no end":    "<!-- bench:begin a -->",
		"twice":     before + before,
		"backwards": "<!-- bench:end a -->\n<!-- bench:begin a -->",
	} {
		if got, err := replaceSections(text, []section{{"a", "x"}}); err == nil {
			t.Errorf("%s: no error, but %q", name, got)
		}
	}
}

// What a page lacks, a run of half an hour would find out in the end.
func TestPagesHaveTheMarkers(t *testing.T) {
	sections := map[string][]string{"performance.md": {"about", "goals", "results", "latency", "profiles", "failures", "plot"}, "growth.md": {"about", "failures"}}
	for _, s := range allSeries() {
		sections["growth.md"] = append(sections["growth.md"], s.Name)
	}
	for file, names := range sections {
		text, err := os.ReadFile(filepath.Join("..", "..", "docs", file))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if _, err := replaceSections(string(text), []section{{name, "x"}}); err != nil {
				t.Errorf("%s: %v", file, err)
			}
		}
	}
}
