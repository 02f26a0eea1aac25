// Package page puts tables that a run has made into pages that people write.
package page

import (
	"fmt"
	"os"
	"strings"
)

// Between gives the text with what stands between two lines replaced. Each of them must be there once. All else stays as it is.
func Between(text, begin, end, new string) (string, error) {
	for _, marker := range []string{begin, end} {
		if n := strings.Count(text, marker); n != 1 {
			return "", fmt.Errorf("the page has the line %q %d times, and needs it once", marker, n)
		}
	}
	from, to := strings.Index(text, begin)+len(begin), strings.Index(text, end)
	if to < from {
		return "", fmt.Errorf("the page has %q behind its end", begin)
	}
	return text[:from] + "\n" + strings.TrimSpace(new) + "\n" + text[to:], nil
}

// Write replaces what a file has between the comments NAME:begin and NAME:end.
func Write(path, name, new string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	changed, err := Between(string(text), "<!-- "+name+":begin -->", "<!-- "+name+":end -->", new)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return os.WriteFile(path, []byte(changed), 0o644)
}
