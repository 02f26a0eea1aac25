// Soak runs channels for long on the embedded broker and on a private RabbitMQ node, and prints what grew. It exits with 1 when something did, or when a record was lost.
//
//	soak [-duration 30m] [-version V] [-report FILE]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"github.com/d2e2d648/weir/test/page"
	"github.com/d2e2d648/weir/test/rabbit"
	"github.com/d2e2d648/weir/test/soak"
)

const (
	warm, more = 20_000, 10_000 // restarts
	// Of the whole duration.
	restartsShare, rabbitTraffic, embeddedTraffic, rabbitOutage, embeddedOutage = 5, 3, 10, 6, 60
	// embeddedRestarts bounds the restarts on the embedded broker, which are counted.
	embeddedRestarts = 15 * time.Minute
)

func main() {
	duration := flag.Duration("duration", 30*time.Minute, "how long it is to take, about")
	version := flag.String("version", rabbit.V4_0, "of RabbitMQ")
	report := flag.String("report", "", "write the table into this file, between its markers")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, *duration, *version, *report))
}

func run(ctx context.Context, d time.Duration, version, file string) int {
	began := time.Now()
	say := func(format string, args ...any) {
		fmt.Fprintf(os.Stderr, "%6s  %s\n", time.Since(began).Round(time.Second), fmt.Sprintf(format, args...))
	}
	all := &soak.Report{}
	err := errors.Join(onEmbedded(ctx, &soak.Run{Broker: soak.Embedded(), Report: all, Say: say}, d), onRabbit(ctx, version, all, say, d))
	text := fmt.Sprintf("%s\n`make soak DURATION=%v`, RabbitMQ %s, %d cores, %s, %s.\n", all.Markdown(), d, version, runtime.NumCPU(), runtime.Version(), time.Since(began).Round(time.Second))
	fmt.Print(text)
	if file != "" {
		err = errors.Join(err, page.Write(file, "soak", text))
	}
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "soak:", err)
		return 1
	case !all.Fine():
		fmt.Println("Something grew, or was lost.")
		return 1
	}
	fmt.Println("Nothing grew, and nothing was lost.")
	return 0
}

func onEmbedded(ctx context.Context, r *soak.Run, d time.Duration) error {
	err := errors.Join(r.Restarts(ctx, warm, more, embeddedRestarts), r.Traffic(ctx, d/embeddedTraffic), r.Outage(ctx, d/embeddedOutage))
	return errors.Join(err, r.Broker.Close())
}

func onRabbit(ctx context.Context, version string, all *soak.Report, say func(string, ...any), d time.Duration) error {
	b, err := soak.Rabbit(ctx, version)
	if err != nil {
		return err
	}
	r := &soak.Run{Broker: b, Report: all, Say: say}
	err = errors.Join(r.Restarts(ctx, warm, more, d/restartsShare), r.Traffic(ctx, d/rabbitTraffic), r.Outage(ctx, d/rabbitOutage))
	return errors.Join(err, b.Close())
}
