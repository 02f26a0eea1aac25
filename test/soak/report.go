package soak

import (
	"fmt"
	"os"
	"strings"
)

// The table stands between these lines of a page.
const begin, end = "<!-- soak:begin -->", "<!-- soak:end -->"

// WriteInto replaces what stands between the markers of a page.
func WriteInto(path, text string) error {
	page, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(page), begin)
	_, after, both := strings.Cut(rest, end)
	if !ok || !both {
		return fmt.Errorf("%s: the page needs the lines %q and %q", path, begin, end)
	}
	return os.WriteFile(path, []byte(before+begin+"\n"+strings.TrimSpace(text)+"\n"+end+after), 0o644)
}
