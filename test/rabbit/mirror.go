package rabbit

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// defaultMirror is used when the machine names no Debian mirror of its own.
const defaultMirror = "http://deb.debian.org/debian"

// mirror returns the Debian mirror that the machine's apt uses.
func mirror() string {
	deb822, _ := filepath.Glob("/etc/apt/sources.list.d/*.sources")
	classic, _ := filepath.Glob("/etc/apt/sources.list.d/*.list")
	for _, file := range deb822 {
		if uri := firstMirror(file, sourcesOfDeb822); uri != "" {
			return uri
		}
	}
	for _, file := range append([]string{"/etc/apt/sources.list"}, classic...) {
		if uri := firstMirror(file, sourcesOfList); uri != "" {
			return uri
		}
	}
	return defaultMirror
}

// source is one entry of apt's sources.
type source struct {
	types, uris, components []string
	disabled                bool
}

// firstMirror returns the first URI in file that leads to Debian's main archive.
func firstMirror(file string, parse func(string) []source) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return "" // a file that apt cannot read either
	}
	for _, s := range parse(string(text)) {
		if s.disabled || !slices.Contains(s.types, "deb") || !slices.Contains(s.components, "main") {
			continue
		}
		if i := slices.IndexFunc(s.uris, isDebian); i >= 0 {
			return s.uris[i]
		}
	}
	return ""
}

// isDebian tells Debian's main archive from its security archive and from third
// parties: every mirror serves it under a path that has "debian" in it.
func isDebian(uri string) bool {
	scheme, path, _ := strings.Cut(uri, "://")
	return strings.HasPrefix(scheme, "http") && slices.Contains(strings.Split(path, "/")[1:], "debian")
}

// sourcesOfDeb822 reads stanzas of "Field: value" lines, parted by empty lines.
func sourcesOfDeb822(text string) []source {
	var all []source
	for stanza := range strings.SplitSeq(text, "\n\n") {
		var s source
		for line := range strings.Lines(stanza) {
			field, value, _ := strings.Cut(line, ":")
			values := strings.Fields(value)
			switch strings.ToLower(field) {
			case "types":
				s.types = values
			case "uris":
				s.uris = values
			case "components":
				s.components = values
			case "enabled":
				s.disabled = slices.Contains(values, "no")
			}
		}
		all = append(all, s)
	}
	return all
}

// sourcesOfList reads lines of "deb [options] uri suite components…".
func sourcesOfList(text string) []source {
	var all []source
	for line := range strings.Lines(text) {
		if open, rest, ok := strings.Cut(line, "["); ok {
			_, after, _ := strings.Cut(rest, "]")
			line = open + after
		}
		if f := strings.Fields(line); len(f) >= 4 {
			all = append(all, source{types: f[:1], uris: f[1:2], components: f[3:]})
		}
	}
	return all
}
