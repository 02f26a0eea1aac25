package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/lipgloss"

	"github.com/d2e2d648/weir/messages"
)

// screen shows a run alive: figures, and the supervision tree of each endpoint, so that one sees it break and heal. It stays inline: what was on the terminal
// before remains, and the last picture does, too.
type screen struct {
	program *tea.Program
	columns *atomic.Int64 // of the terminal
	done    chan struct{}
}

func startScreen(c *console, m *meter, stop *stopper) *screen {
	var in io.Reader // nil: no keys, and Ctrl-C comes as a signal
	if f, ok := c.in.(*os.File); ok && isTTY(f) {
		in = f
	}
	s := &screen{columns: &atomic.Int64{}, done: make(chan struct{})}
	s.columns.Store(100)
	s.program = tea.NewProgram(&picture{meter: m, press: stop.press, look: newStyles(c.err), columns: s.columns, width: 100, height: 40},
		tea.WithOutput(c.err), tea.WithInput(in), tea.WithoutSignalHandler())
	go func() {
		defer close(s.done)
		if _, err := s.program.Run(); err != nil {
			c.say("demo: the screen failed, the run goes on: %v", err)
		}
	}()
	return s
}

func (s *screen) end() {
	s.program.Send(finished{})
	<-s.done
}

type (
	// frame is due when the picture is to be drawn again.
	frame time.Time
	// finished says that the run is over.
	finished struct{}
)

const frameEvery = 100 * time.Millisecond

// picture is the model behind the screen.
type picture struct {
	meter         *meter
	press         func()
	pressed       int
	look          styles
	columns       *atomic.Int64
	width, height int
	text          string
}

// Init implements tea.Model.
func (p *picture) Init() tea.Cmd { return next() }

func next() tea.Cmd {
	return tea.Tick(frameEvery, func(t time.Time) tea.Msg { return frame(t) })
}

// Update implements tea.Model.
func (p *picture) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch m := msg.(type) {
	case frame:
		p.text = p.draw(time.Time(m))
		return p, next()
	case tea.WindowSizeMsg:
		p.width, p.height = m.Width, m.Height
		p.columns.Store(int64(m.Width))
	case tea.KeyMsg:
		if m.Type == tea.KeyCtrlC {
			p.pressed++
			p.press()
		}
	case finished:
		p.text = p.draw(time.Now())
		return p, tea.Quit
	}
	return p, nil
}

// View implements tea.Model.
func (p *picture) View() string { return p.text }

// styles are the picture's colours; none where the terminal has none.
type styles struct{ good, bad, wait, dim, strong lipgloss.Style }

func newStyles(out io.Writer) styles {
	r := lipgloss.NewRenderer(out)
	of := func(colour string) lipgloss.Style { return r.NewStyle().Foreground(lipgloss.Color(colour)) }
	return styles{good: of("2"), bad: of("1"), wait: of("3"), dim: r.NewStyle().Faint(true), strong: r.NewStyle().Bold(true)}
}

func (p *picture) draw(now time.Time) string {
	lines := append(p.head(now), p.trees(now)...)
	if most := p.height - 1; len(lines) > most && most > 1 {
		hidden := len(lines) - most + 1
		lines = append(lines[:most-1], p.look.dim.Render(fmt.Sprintf("  … %d more lines: make the terminal higher", hidden)))
	}
	for i, line := range lines {
		lines[i] = lipgloss.NewStyle().MaxWidth(p.width).Render(line)
	}
	return strings.Join(lines, "\n") + "\n"
}

func (p *picture) head(now time.Time) []string {
	run := p.meter.p
	at, rate := p.meter.look(now)
	title := fmt.Sprintf("%s on %s  %s", run.flags.Channel, run.flags.where, p.meter.stage())
	if run.flags.onStream() {
		title = "stream " + title
	}
	lines := []string{p.look.strong.Render(title) + p.look.dim.Render(fmt.Sprintf("  %.1f s", run.since().Seconds()))}
	lines = append(lines, joined(p.width, "sent "+number(at.Sent), "confirmed "+number(at.Confirmed), "delivered "+number(at.Delivered), "under way "+number(at.Missing), "duplicated "+number(at.Duplicated))...)
	lines = append(lines,
		fmt.Sprintf("  %s records/s   latency p50 %s   p99 %s", number(rate), short(at.P50), short(at.P99)),
		"  restarts "+p.meter.restarts(),
	)
	switch {
	case p.pressed == 1:
		lines = append(lines, p.look.wait.Render("  ending in order; Ctrl-C again ends at once"))
	case p.pressed > 1:
		lines = append(lines, p.look.bad.Render("  ending at once"))
	}
	return lines
}

func (p *picture) trees(now time.Time) (lines []string) {
	for _, n := range p.meter.p.tree.snapshot() {
		lines = append(lines, "  "+p.look.strong.Render(n.name)+"  "+p.state(n.state))
		for _, k := range n.children {
			lines = append(lines, p.child(k, now))
		}
	}
	return lines
}

func (p *picture) state(s messages.State) string {
	switch s {
	case messages.Running:
		return p.look.good.Render(string(s))
	case messages.Failed:
		return p.look.bad.Render(string(s))
	}
	return p.look.wait.Render(string(s))
}

// lately is how long a part that was replaced stays marked, or the eye would miss most of it.
const lately = 700 * time.Millisecond

func (p *picture) child(k *childNode, now time.Time) string {
	mark, style := "●", p.look.good
	switch {
	case k.state == childBackOff:
		mark, style = "✗", p.look.bad
	case k.state == childEnded:
		mark, style = "○", p.look.dim
	case k.state == childStarting:
		mark, style = "◌", p.look.wait
	case now.Sub(k.lastFailed) < lately:
		style = p.look.wait
	}
	line := "    " + style.Render(fmt.Sprintf("%s %-18s #%-4d %-8s", mark, k.child, k.epoch, k.state))
	if k.failures == 0 {
		return line
	}
	line += fmt.Sprintf(" failures %-4d", k.failures)
	if k.used > 0 {
		line += fmt.Sprintf(" grace used %-7s", short(k.used))
	}
	return line + p.look.dim.Render(" "+firstLine(k.last))
}

func firstLine(err error) string {
	if err == nil {
		return ""
	}
	text, _, _ := strings.Cut(err.Error(), "\n")
	return text
}
