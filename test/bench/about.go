package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strings"
	"time"
)

// about says what was measured, where and how.
type about struct {
	Date, Command, Machine, Load, Broker, Go, Weir string
	Rounds                                         int
	Each                                           time.Duration
	Peers                                          []string
	Took                                           time.Duration
}

func aboutRun(o options) about {
	a := about{Date: time.Now().Format("2006-01-02"), Command: command(), Machine: machine(), Load: load(), Broker: "RabbitMQ " + o.version,
		Go: runtime.Version(), Weir: commit(), Rounds: o.rounds, Each: o.each}
	if o.growth {
		return a
	}
	for _, path := range []string{"github.com/rabbitmq/amqp091-go", "github.com/rabbitmq/rabbitmq-stream-go-client", "github.com/ThreeDotsLabs/watermill-amqp/v3"} {
		a.Peers = append(a.Peers, strings.TrimPrefix(path, "github.com/")+" "+version(path))
	}
	return a
}

// command is the run as one repeats it: options that only say where files go are left out.
func command() string {
	args := []string{"go run -C test/bench ."}
	skip := false
	for _, arg := range os.Args[1:] {
		name, _, with := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		switch {
		case skip:
			skip = false
		case name == "save" || name == "load" || name == "profiles" || name == "report":
			skip = !with
		default:
			args = append(args, arg)
		}
	}
	return strings.Join(args, " ")
}

func machine() string {
	model := "unknown CPU"
	text, err := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" && err == nil {
			model = strings.TrimSpace(value)
			break
		}
	}
	return fmt.Sprintf("%s, %s, for client and broker together", model, plural(runtime.NumCPU(), "core"))
}

// load is the machine's load before: what else was going on.
func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(text), " ")
	return first
}

func version(path string) string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "of unknown version"
	}
	for _, m := range info.Deps {
		if m.Path == path {
			return m.Version
		}
	}
	return "of unknown version"
}

// commit is what was built, with a plus when files were changed since. Without git it is not known.
func commit() string {
	id, err := exec.Command("git", "rev-parse", "--short=10", "HEAD").Output()
	if err != nil {
		return "unknown"
	}
	changed, err := exec.Command("git", "status", "--porcelain", "--untracked-files=no", "--", ":/*.go", ":/*go.mod").Output()
	text := strings.TrimSpace(string(id))
	if err == nil && len(changed) > 0 {
		text += "+"
	}
	return text
}

func (a *about) markdown() string {
	var b strings.Builder
	b.WriteString("| | |\n|---|---|\n")
	for _, row := range [][2]string{
		{"date", a.Date}, {"weir", a.Weir}, {"broker", a.Broker + ", one node, default settings"}, {"peers", strings.Join(a.Peers, ", ")}, {"Go", a.Go}, {"machine", a.Machine},
		{"load before", a.Load}, {"command", "`" + strings.ReplaceAll(a.Command, "|", `\|`) + "`"},
		{"measured", fmt.Sprintf("%s, about %s each, in %s", plural(a.Rounds, "round"), a.Each, a.Took)},
	} {
		if row[1] != "" {
			fmt.Fprintf(&b, "| %s | %s |\n", row[0], row[1])
		}
	}
	return b.String()
}
