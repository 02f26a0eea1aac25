package page

import (
	"os"
	"path/filepath"
	"testing"
)

func TestWriteReplacesWhatStandsBetween(t *testing.T) {
	path := filepath.Join(t.TempDir(), "page.md")
	for _, c := range []struct{ name, was, is string }{
		{"replaced", "by hand\n<!-- a:begin -->\nold\n<!-- a:end -->\n<!-- b:begin -->\nkept\n<!-- b:end -->\n", "by hand\n<!-- a:begin -->\nnew\n<!-- a:end -->\n<!-- b:begin -->\nkept\n<!-- b:end -->\n"},
		{"no end", "<!-- a:begin -->\nold\n", ""},
		{"twice", "<!-- a:begin --><!-- a:begin --><!-- a:end -->", ""},
		{"the wrong way round", "<!-- a:end -->\n<!-- a:begin -->", ""},
	} {
		if err := os.WriteFile(path, []byte(c.was), 0o600); err != nil {
			t.Fatal(err)
		}
		err := Write(path, "a", " new\n\n")
		got, read := os.ReadFile(path)
		switch {
		case read != nil:
			t.Fatal(read)
		case c.is == "" && (err == nil || string(got) != c.was):
			t.Errorf("%s: %v, and the page is %q", c.name, err, got)
		case c.is != "" && (err != nil || string(got) != c.is):
			t.Errorf("%s: %v, and the page is %q", c.name, err, got)
		}
	}
}
