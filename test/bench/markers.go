package main

import (
	"fmt"
	"os"
	"strings"
)

// section is a part of a report that a run makes anew. It stands between two comments, which stay:
//
//	<!-- bench:begin NAME -->
//	<!-- bench:end NAME -->
type section struct{ name, text string }

// replaceSections gives the page with each section's text, or an error that says which marker is missing or not alone. All else stays as it is.
func replaceSections(page string, sections []section) (string, error) {
	for _, s := range sections {
		begin, end := "<!-- bench:begin "+s.name+" -->", "<!-- bench:end "+s.name+" -->"
		for _, marker := range []string{begin, end} {
			if n := strings.Count(page, marker); n != 1 {
				return "", fmt.Errorf("the page has the line %q %d times, and needs it once", marker, n)
			}
		}
		from, to := strings.Index(page, begin)+len(begin), strings.Index(page, end)
		if to < from {
			return "", fmt.Errorf("the page has %q behind its end", begin)
		}
		page = page[:from] + "\n" + strings.TrimSpace(s.text) + "\n" + page[to:]
	}
	return page, nil
}

// writeSections changes the file, or prints the sections when there is none.
func writeSections(path string, sections []section) error {
	if path == "" {
		for _, s := range sections {
			fmt.Printf("%s\n\n", strings.TrimSpace(s.text))
		}
		return nil
	}
	page, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	text, err := replaceSections(string(page), sections)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return os.WriteFile(path, []byte(text), 0o644)
}
