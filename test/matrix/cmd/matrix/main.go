// Matrix brings about every way to fail at every point in the life of every actor of a channel, in virtual time, and prints what came of each and a summary.
//
//	matrix [-seed N] [-plane queue|stream] [-match TEXT [-v]] [-report FILE]
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/d2e2d648/weir/test/matrix"
	"github.com/d2e2d648/weir/test/page"
)

func main() { os.Exit(run()) }

func run() int {
	seed := flag.Uint64("seed", 1, "decides how mailboxes interleave, and so which points there are")
	plane := flag.String("plane", "", "queue or stream: only its cells")
	match := flag.String("match", "", "only the cells whose line has this text in it")
	verbose := flag.Bool("v", false, "say all that happens in each cell")
	report := flag.String("report", "", "write the summary into this file, between its markers")
	flag.Parse()
	began := time.Now()
	var cells []matrix.Cell
	for _, stream := range []bool{false, true} {
		if *plane != "" && stream != (*plane == "stream") {
			continue
		}
		points, wrong := matrix.Points(*seed, stream, nil)
		if len(wrong) > 0 {
			fmt.Fprintln(os.Stderr, "the life without a fault:", strings.Join(wrong, "; "))
			return 1
		}
		for _, c := range matrix.Cells(points) {
			if strings.Contains(c.String(), *match) {
				cells = append(cells, c)
			}
		}
	}
	var outcomes []*matrix.Outcome
	if *verbose {
		for _, c := range cells {
			outcomes = append(outcomes, matrix.One(*seed, c, os.Stdout))
		}
	} else {
		outcomes = matrix.Run(*seed, cells)
	}
	matrix.Print(os.Stdout, outcomes)
	text := matrix.Markdown(outcomes) + fmt.Sprintf("\n`make matrix SEED=%d`, %d cores, %s, %.0f s.\n", *seed, runtime.NumCPU(), runtime.Version(), time.Since(began).Seconds())
	fmt.Print("\n" + text)
	if *report != "" {
		if err := page.Write(*report, "matrix", text); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	for _, o := range outcomes {
		if len(o.Wrong) > 0 {
			return 1
		}
	}
	return 0
}
