package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"
)

// sample is one measurement. CPU times are for each record.
type sample struct {
	rate        float64
	cpu, broker time.Duration
}

func ownCPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // it has no way to fail with these arguments
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// brokerCPU is in clock ticks of 10 ms; 0 when the process cannot be looked at.
func brokerCPU(pid int) time.Duration {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+2:]))
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}

func median(samples []sample, of func(sample) float64) float64 {
	values := make([]float64, len(samples))
	for i := range samples {
		values[i] = of(samples[i])
	}
	slices.Sort(values)
	return values[len(values)/2]
}

func rate(s sample) float64   { return s.rate }
func cpu(s sample) float64    { return float64(s.cpu) / 1000 }
func broker(s sample) float64 { return float64(s.broker) / 1000 }

// table prints medians, and weir's ratios to raw: the rate's, which should be high, and the client CPU's, which should be low.
func (b *bench) table(out io.Writer) {
	fmt.Fprintf(out, "RabbitMQ %s, %s queue, %d B, %d records, median of %d rounds; CPU in µs a record\n\n", b.version, b.queueType, b.size, b.records, b.rounds)
	t := tabwriter.NewWriter(out, 0, 0, 3, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "work\traw/s\tweir/s\trate ×\traw CPU\tweir CPU\tCPU ×\tbroker CPU raw\tweir\t")
	for _, w := range works {
		r, own := b.samples[key{w.name, raw{}.name()}], b.samples[key{w.name, weirClient{}.name()}]
		fmt.Fprintf(t, "%s\t%.0f\t%.0f\t%.2f\t%.2f\t%.2f\t%.2f\t%.1f\t%.1f\t\n", w.name,
			median(r, rate), median(own, rate), median(own, rate)/median(r, rate),
			median(r, cpu), median(own, cpu), median(own, cpu)/median(r, cpu), median(r, broker), median(own, broker))
	}
	t.Flush()
}
