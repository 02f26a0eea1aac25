package rabbit_test

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/d2e2d648/weir/test/rabbit"
	"github.com/d2e2d648/weir/test/rabbit/rabbittest"
)

func epmdOf(t *testing.T, running procs) string {
	t.Helper()
	for name := range running {
		if strings.HasPrefix(name, "epmd ") {
			return name
		}
	}
	t.Fatalf("no epmd among %v", running)
	return ""
}

// startAll starts a node of each version, all at the same time.
func startAll(t *testing.T) []*rabbit.Node {
	t.Helper()
	versions := rabbit.Versions()
	nodes, errs := make([]*rabbit.Node, len(versions)), make([]error, len(versions))
	var starts sync.WaitGroup
	for i, version := range versions {
		starts.Go(func() {
			nodes[i], errs[i] = rabbit.Start(t.Context(), rabbit.Options{Version: version})
		})
	}
	starts.Wait()
	for _, node := range nodes {
		if node != nil {
			t.Cleanup(func() { node.Close() })
		}
	}
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	return nodes
}

func TestNodesDoNotCollideAndCloseLeavesNothing(t *testing.T) {
	nodes := startAll(t)
	for _, node := range nodes {
		publish(t, channel(t, node), "mine", node.Name())
	}
	for _, node := range nodes {
		mustGet(t, channel(t, node), "mine", node.Name())
	}
	for _, node := range nodes {
		mustCloseWithoutTrace(t, node)
	}
}

func mustCloseWithoutTrace(t *testing.T, node *rabbit.Node) {
	t.Helper()
	// The folder itself may be another node's a moment later; this file not.
	mine := filepath.Join(filepath.Dir(node.Log()), "mine")
	if err := os.WriteFile(mine, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	running := procsOf(t, node.Name())
	if !running.has("beam.smp") || !running.has("epmd") {
		t.Fatalf("a running node is %v, want beam.smp and epmd in it", running)
	}
	if err := node.Close(); err != nil {
		t.Fatal(err)
	}
	running.mustEnd(t, 0)
	if _, err := os.Stat(mine); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("data is left: %v", err)
	}
	if err := node.Close(); err != nil {
		t.Errorf("the second Close: %v", err)
	}
}

// A mount that the machine sees in a tree would make rm -rf of the cache a
// danger.
func TestMountsAreTheNodesOwn(t *testing.T) {
	rabbittest.EachVersion(t, func(t *testing.T, node *rabbit.Node) {
		tree, err := rabbit.Tree(t.Context(), node.Version())
		if err != nil {
			t.Fatal(err)
		}
		mounts, err := os.ReadFile("/proc/self/mounts")
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(mounts), tree) {
			t.Errorf("the machine sees mounts in %s:\n%s", tree, mounts)
		}
	})
}

func TestNodeDiesWithItsOwner(t *testing.T) {
	for _, version := range rabbit.Versions() {
		t.Run(version, func(t *testing.T) {
			owner := exec.Command(os.Args[0])
			owner.Env = append(os.Environ(), ownerEnv+"="+version)
			owner.Stderr = os.Stderr
			stdout, err := owner.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := owner.Start(); err != nil {
				t.Fatal(err)
			}
			name, err := bufio.NewReader(stdout).ReadString('\n')
			running := procsOf(t, strings.TrimSpace(name))
			owner.Process.Kill()
			owner.Wait()
			if err != nil || !running.has("beam.smp") || !running.has("epmd") {
				t.Fatalf("the owner's node is %v (%v), want beam.smp and epmd in it", running, err)
			}
			running.mustEnd(t, patience)
		})
	}
}

func TestStartSaysWhyANodeDidNotStart(t *testing.T) {
	_, err := rabbit.Start(t.Context(), rabbit.Options{Config: []string{"no.such.key = 1"}})
	if err == nil || !strings.Contains(err.Error(), "no.such.key") {
		t.Errorf("error %v, want one that names the bad line", err)
	}
	if _, err := rabbit.Start(t.Context(), rabbit.Options{Version: "1.0"}); err == nil {
		t.Error("there is no RabbitMQ 1.0")
	}
}
