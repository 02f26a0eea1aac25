package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/d2e2d648/weir/test/page"
)

// section is a part of a report that a run makes anew. It stands between two comments, which stay:
//
//	<!-- bench:begin NAME -->
//	<!-- bench:end NAME -->
type section struct{ name, text string }

// replaceSections gives the page with each section's text, or an error that says which marker is missing or not alone. All else stays as it is.
func replaceSections(text string, sections []section) (string, error) {
	for _, s := range sections {
		changed, err := page.Between(text, "<!-- bench:begin "+s.name+" -->", "<!-- bench:end "+s.name+" -->", s.text)
		if err != nil {
			return "", err
		}
		text = changed
	}
	return text, nil
}

// writeSections changes the file, or prints the sections when there is none.
func writeSections(path string, sections []section) error {
	if path == "" {
		for _, s := range sections {
			fmt.Printf("%s\n\n", strings.TrimSpace(s.text))
		}
		return nil
	}
	read, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	text, err := replaceSections(string(read), sections)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return os.WriteFile(path, []byte(text), 0o644)
}
