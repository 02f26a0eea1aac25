package rabbit

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Toolchain makes sure that `go test -race` can work here: the race detector is
// linked by a C compiler and against the C library. It installs what is missing
// when it may, and does nothing, in milliseconds, when all is there.
func Toolchain(ctx context.Context) error {
	if linksC(ctx) == nil {
		return nil
	}
	const whatFor = "for the race detector"
	if err := install(ctx, whatFor, "gcc", "libc6-dev"); err != nil {
		return err
	}
	return linksC(ctx)
}

// linksC compiles and links a program that uses the C library.
func linksC(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "weir-cc-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	cmd := exec.CommandContext(ctx, "gcc", "-x", "c", "-o", filepath.Join(dir, "out"), "-")
	cmd.Stdin = strings.NewReader("#include <stdlib.h>\nint main(void) { return abs(0); }\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("gcc does not work: %w: %s", err, lastLines(out, 1))
	}
	return nil
}
