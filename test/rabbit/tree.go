package rabbit

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// The versions of RabbitMQ that nodes can be started of.
const (
	V3_10 = "3.10.8"
	V4_0  = "4.0.5"
)

// suites names the Debian suite that has each version.
var suites = map[string]string{V3_10: "bookworm", V4_0: "trixie"}

// Versions returns every version that nodes can be started of, oldest first.
func Versions() []string { return slices.Sorted(maps.Keys(suites)) }

const (
	server = "/usr/lib/rabbitmq/bin/rabbitmq-server" // what a tree is for
	stamp  = ".weir-complete"                        // written last
)

// Tree returns the folder that holds RabbitMQ of this version, and builds it if
// the cache has none: that takes about 20–40 s and 260 MB, and needs root or
// sudo. Processes that ask at the same time build it once, and all wait for it.
func Tree(ctx context.Context, version string) (string, error) {
	suite, ok := suites[version]
	if !ok {
		return "", fmt.Errorf("no RabbitMQ %q here, only %s", version, strings.Join(Versions(), " and "))
	}
	trees, err := cacheDir("rabbitmq")
	if err != nil {
		return "", err
	}
	tree := filepath.Join(trees, version)
	if complete(tree) {
		return tree, nil
	}
	held, err := lock(ctx, tree+".lock")
	if err != nil {
		return "", err
	}
	defer quietly(held)
	if complete(tree) { // by whoever held the lock before
		return tree, nil
	}
	if err := build(ctx, tree, version, suite); err != nil {
		return "", fmt.Errorf("RabbitMQ %s cannot be built: %w", version, err)
	}
	return tree, nil
}

// complete says whether a tree was built to its end and still has its server.
func complete(tree string) bool {
	for _, file := range []string{stamp, server} {
		if _, err := os.Stat(filepath.Join(tree, file)); err != nil {
			return false
		}
	}
	return true
}

// build makes the tree under another name and renames it when it is whole.
func build(ctx context.Context, tree, version, suite string) error {
	if err := needMmdebstrap(ctx); err != nil {
		return err
	}
	unfinished := tree + ".building"
	if err := remove(ctx, tree, unfinished); err != nil {
		return err
	}
	progress("building RabbitMQ %s in %s, about 30 s", version, tree)
	begin := time.Now()
	if err := mmdebstrap(ctx, suite, unfinished, version); err != nil {
		return err
	}
	if err := os.Rename(unfinished, tree); err != nil {
		return err
	}
	progress("built RabbitMQ %s in %.0f s", version, time.Since(begin).Seconds())
	return nil
}

func needMmdebstrap(ctx context.Context) error {
	if _, err := exec.LookPath("mmdebstrap"); err == nil {
		return nil
	}
	return install(ctx, "to build private RabbitMQ nodes", "mmdebstrap")
}

// remove deletes what an earlier build has left, which can be root's.
func remove(ctx context.Context, dirs ...string) error {
	cmd, err := asRoot(ctx, "rm", append([]string{"-rf", "--one-file-system"}, dirs...)...)
	if err != nil {
		return err
	}
	return cmd.Run()
}

// mmdebstrap builds the tree in dir. Its last step, inside dir, makes sure that
// the suite has the version that was asked for, and leaves the stamp.
func mmdebstrap(ctx context.Context, suite, dir, version string) error {
	finish := fmt.Sprintf(`set -e
test -x "$1%s"
test -d "$1/usr/lib/rabbitmq/lib/rabbitmq_server-%s"
echo 127.0.0.1 localhost > "$1/etc/hosts"
touch "$1/%s"`, server, version, stamp)
	// In namespaces of its own, for the mounts that it makes in dir: cut off in
	// the middle it would leave them to the machine.
	cmd, err := asRoot(ctx, "unshare", "--mount", "--pid", "--mount-proc", "--fork", "--kill-child",
		"mmdebstrap", "--variant=essential", "--include=rabbitmq-server",
		"--customize-hook="+finish, suite, dir, mirror())
	if err != nil {
		return err
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	p, err := launch(cmd)
	if err != nil {
		return err
	}
	<-p.done
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if p.err != nil {
		return fmt.Errorf("mmdebstrap of %s: %w:\n%s", suite, p.err, lastLines(out.Bytes(), 5))
	}
	return nil
}
