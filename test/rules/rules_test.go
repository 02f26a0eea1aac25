// Package rules keeps, over the syntax tree, the rule that no import linter can: nothing in the quiet rooms waits.
package rules

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// quiet are the rooms in which nothing waits: no goroutine, no channel, no select. What they may not import or call is golangci-lint's to keep (.golangci.yml).
var quiet = []string{"actors", "supervisor", "messages", "codec", "broker"}

// exception is the one file that runs the actors on goroutines, and says why.
const exception = "actors/goroutines.go"

// waits gives each place of a file where something could wait.
func waits(fset *token.FileSet, file *ast.File) (found []string) {
	note := func(n ast.Node, what string) {
		p := fset.Position(n.Pos())
		found = append(found, fmt.Sprintf("%s:%d: %s", filepath.ToSlash(p.Filename), p.Line, what))
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			note(n, "go statement")
		case *ast.SelectStmt:
			note(n, "select")
		case *ast.ChanType:
			note(n, "channel type")
		case *ast.SendStmt:
			note(n, "send")
		case *ast.UnaryExpr:
			if n.Op == token.ARROW {
				note(n, "receive")
			}
		case *ast.CallExpr:
			if f, ok := n.Fun.(*ast.Ident); ok && f.Name == "close" && len(n.Args) == 1 {
				note(n, "close")
			}
		}
		return true
	})
	return found
}

func parse(t *testing.T, path string) (*token.FileSet, *ast.File) {
	t.Helper()
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution|parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	return fset, file
}

func TestQuietRoomsDoNotWait(t *testing.T) {
	files, excepted := 0, false
	for _, room := range quiet {
		root := filepath.Join("..", "..", room)
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case d.IsDir():
				if room == "broker" && path != root { // the adapters below are not quiet
					return fs.SkipDir
				}
				return nil
			case !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
				return nil
			}
			files++
			fset, file := parse(t, path)
			found := waits(fset, file)
			if strings.HasSuffix(filepath.ToSlash(path), exception) {
				excepted = len(found) > 0
				return nil
			}
			for _, f := range found {
				t.Error(f)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if files < 30 {
		t.Errorf("only %d files were looked at: have the rooms moved?", files)
	}
	if !excepted {
		t.Errorf("%s has nothing that waits: the exception can go", exception)
	}
}

// A file that breaks each rule once: each must be found, in its place.
func TestEachRuleIsFound(t *testing.T) {
	fset, file := parse(t, "testdata/waits.go")
	var want []string
	for _, group := range file.Comments {
		for _, c := range group.List {
			if what, ok := strings.CutPrefix(c.Text, "// want: "); ok {
				for _, w := range strings.Split(what, ", ") {
					want = append(want, fmt.Sprintf("testdata/waits.go:%d: %s", fset.Position(c.Pos()).Line, w))
				}
			}
		}
	}
	found := waits(fset, file)
	slices.Sort(found)
	slices.Sort(want)
	if !slices.Equal(found, want) {
		t.Errorf("found\n%s\nwant\n%s", strings.Join(found, "\n"), strings.Join(want, "\n"))
	}
	if len(want) < 6 {
		t.Errorf("the file breaks %d rules, there are 6", len(want))
	}
}
