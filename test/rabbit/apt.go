package rabbit

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// asRoot returns a command that runs as root: directly, or by a sudo that asks
// nothing. It is an error when neither works.
func asRoot(ctx context.Context, name string, args ...string) (*exec.Cmd, error) {
	if os.Geteuid() == 0 {
		return exec.CommandContext(ctx, name, args...), nil
	}
	if err := exec.CommandContext(ctx, "sudo", "-n", "true").Run(); err != nil {
		return nil, fmt.Errorf("this needs root once, or a sudo that asks no password: %w", err)
	}
	return exec.CommandContext(ctx, "sudo", append([]string{"-n", name}, args...)...), nil
}

// install installs Debian packages, one process at a time. It blocks for as
// long as apt takes; what for is the end of the sentence in the error.
func install(ctx context.Context, whatFor string, packages ...string) error {
	missing := func(err error) error {
		list := strings.Join(packages, " ")
		return fmt.Errorf("%s is needed %s: run `apt-get install %s` as root (%w)", list, whatFor, list, err)
	}
	dir, err := cacheDir()
	if err != nil {
		return err
	}
	held, err := lock(ctx, filepath.Join(dir, "apt.lock"))
	if err != nil {
		return err
	}
	defer quietly(held)
	progress("installing %s", strings.Join(packages, " "))
	if err := apt(ctx, "update"); err != nil {
		return missing(err)
	}
	options := []string{"install", "--yes", "--no-install-recommends"}
	if err := apt(ctx, append(options, packages...)...); err != nil {
		return missing(err)
	}
	return nil
}

// apt runs apt-get and puts the last line of what it says into its error.
func apt(ctx context.Context, args ...string) error {
	args = append([]string{"DEBIAN_FRONTEND=noninteractive", "apt-get", "-o", "DPkg::Lock::Timeout=120"}, args...)
	cmd, err := asRoot(ctx, "env", args...)
	if err != nil {
		return err
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("apt-get: %w: %s", err, lastLines(out, 1))
	}
	return nil
}

// lastLines returns the last n lines of out that say something.
func lastLines(out []byte, n int) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// progress tells the person at the terminal about a step that takes long.
func progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "rabbit: "+format+"\n", args...)
}
