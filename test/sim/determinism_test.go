package sim

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

var determinismSeeds = scaled(500)

// trace runs a seed and gives its trace, fine and atomic by turns.
func trace(r *Runner, seed uint64) string {
	result := r.Run(seed, Mode(seed%2))
	return fmt.Sprintf("%d %016x %d %d", seed, result.Hash, result.Steps, len(result.Bad))
}

// The same seed gives the same trace: twice in one process, the second time in reverse order, so that nothing leaks from schedule to schedule; and in
// another process. Different seeds give different traces.
func TestSameSeedSameTrace(t *testing.T) {
	t.Parallel()
	r := NewRunner()
	first := make([]string, determinismSeeds)
	var all bytes.Buffer
	for i := range first {
		first[i] = trace(r, uint64(i+1))
		fmt.Fprintln(&all, first[i])
	}
	traces := map[string]bool{}
	for _, line := range first {
		_, trace, _ := strings.Cut(line, " ")
		traces[trace] = true
	}
	if len(traces) < len(first)*99/100 {
		t.Errorf("%d seeds have %d traces only", len(first), len(traces))
	}
	for i := len(first) - 1; i >= 0; i-- {
		if again := trace(r, uint64(i+1)); again != first[i] {
			t.Fatalf("seed, hash, steps, violations: first %s, then %s", first[i], again)
		}
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "SIM_TRACES="+strconv.Itoa(determinismSeeds))
	other, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(other, all.Bytes()) {
		t.Fatal("another process has other traces")
	}
}

// TestMain makes this binary the other process of TestSameSeedSameTrace, when it is told to.
func TestMain(m *testing.M) {
	n, err := strconv.Atoi(os.Getenv("SIM_TRACES"))
	if err != nil {
		os.Exit(m.Run())
	}
	r := NewRunner()
	for i := range n {
		fmt.Println(trace(r, uint64(i+1)))
	}
}
