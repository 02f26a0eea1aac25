package rabbit

import (
	"os"
	"path/filepath"
	"testing"
)

func TestMirrorIsDebiansMainArchive(t *testing.T) {
	tests := []struct {
		name, text, want string
		parse            func(string) []source
	}{
		{
			name: "deb822, after a third party and the security archive",
			text: "Types: deb\nURIs: https://third.example/debian\nSuites: trixie\nComponents: stable\n\n" +
				"Types: deb\nURIs: http://a.example/debian-security\nSuites: trixie-security\nComponents: main\n\n" +
				"# URIs: http://old.example/debian\nTypes: deb deb-src\nURIs: http://a.example/debian http://b.example/debian\nSuites: trixie\nComponents: main contrib\n",
			want:  "http://a.example/debian",
			parse: sourcesOfDeb822,
		},
		{
			name:  "deb822, switched off",
			text:  "Enabled: no\nTypes: deb\nURIs: http://a.example/debian\nSuites: trixie\nComponents: main\n",
			want:  "",
			parse: sourcesOfDeb822,
		},
		{
			name: "classic, with options and comments",
			text: "# deb http://old.example/debian trixie main\n" +
				"deb-src http://src.example/debian trixie main\n" +
				"deb [arch=amd64 signed-by=/k.gpg] https://third.example/apt trixie main\n" +
				"deb [arch=amd64] http://a.example/pub/debian/ trixie main contrib\n",
			want:  "http://a.example/pub/debian/",
			parse: sourcesOfList,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "sources")
			if err := os.WriteFile(file, []byte(test.text), 0o644); err != nil {
				t.Fatal(err)
			}
			if got := firstMirror(file, test.parse); got != test.want {
				t.Errorf("mirror = %q, want %q", got, test.want)
			}
		})
	}
}
