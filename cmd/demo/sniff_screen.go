package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/lipgloss"

	"github.com/d2e2d648/weir/messages"
)

// sniffScreen shows the peers alive, on a page of its own, so that a change of the terminal's size leaves nothing behind. The last picture stays on the terminal in the end.
type sniffScreen struct {
	program *tea.Program
	done    chan struct{}
	model   *sniffPicture // the program's, until done
	err     error
}

func startSniffScreen(c *console, stop *stopper) *sniffScreen {
	var in io.Reader // nil: no keys, and Ctrl-C comes as a signal
	if f, ok := c.in.(*os.File); ok && isTTY(f) {
		in = f
	}
	s := &sniffScreen{done: make(chan struct{}), model: &sniffPicture{press: stop.press, look: newStyles(c.out), width: 100, height: 40}}
	s.program = tea.NewProgram(s.model, tea.WithOutput(c.out), tea.WithInput(in), tea.WithoutSignalHandler(), tea.WithAltScreen())
	go func() {
		defer close(s.done)
		if _, err := s.program.Run(); err != nil {
			s.err = fmt.Errorf("the screen failed, try --plain: %w", err)
			stop.press()
		}
	}()
	return s
}

func (s *sniffScreen) show(r *roster, news []sniffNews) error {
	view := &sniffView{rows: make([]*peerRow, len(r.peers)), news: news, head: r.head()}
	for i, row := range r.peers {
		copied := *row
		view.rows[i] = &copied
	}
	s.program.Send(view)
	return nil
}

// end takes the screen away and leaves its last picture.
func (s *sniffScreen) end(c *console) error {
	s.program.Send(finished{})
	<-s.done
	if s.err != nil {
		return s.err
	}
	_, err := io.WriteString(c.out, s.model.draw(false)+"\n")
	return err
}

// sniffView is what one look has shown.
type sniffView struct {
	head sniffHead
	rows []*peerRow
	news []sniffNews
}

// sniffHead is what is shown above the peers.
type sniffHead struct {
	title, since     string
	readers, writers string
	queues           []string
	deaf             []string
	listens          string
}

func (r *roster) head() sniffHead {
	h := sniffHead{
		title: fmt.Sprintf("%s on %s", printable(r.channel), r.broker), since: ago(r.at.Sub(r.began)),
		readers: r.totalsText(messages.Reading, "read"), writers: r.totalsText(messages.Writing, "written"), queues: r.queueTexts(),
	}
	for _, side := range sniffSides() {
		if why, is := r.deaf[side]; is {
			h.deaf = append(h.deaf, fmt.Sprintf("%ss cannot be heard: %s; tries again", side, printable(why)))
		}
	}
	for _, row := range r.peers {
		if row.health == unheard {
			h.listens = fmt.Sprintf("listening for %s more to who is there", ago(max(0, sniffListen-r.at.Sub(r.began))))
			break
		}
	}
	return h
}

// sniffPicture is the model behind the screen.
type sniffPicture struct {
	press         func()
	look          styles
	width, height int
	view          *sniffView
	news          []sniffNews
	text          string
}

// newsKept is how many of the newest events are shown, at most.
const newsKept = 8

// Init implements tea.Model.
func (p *sniffPicture) Init() tea.Cmd { return nil }

// Update implements tea.Model.
func (p *sniffPicture) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch m := msg.(type) {
	case *sniffView:
		p.take(m)
	case tea.WindowSizeMsg:
		p.width, p.height = m.Width, m.Height
	case tea.KeyMsg:
		if m.Type == tea.KeyCtrlC || m.String() == "q" {
			p.press()
		}
	case finished:
		return p, tea.Quit
	}
	p.text = p.draw(true)
	return p, nil
}

func (p *sniffPicture) take(v *sniffView) {
	p.view = v
	p.news = append(p.news, v.news...)
	p.news = p.news[max(0, len(p.news)-newsKept):]
}

// View implements tea.Model.
func (p *sniffPicture) View() string { return p.text }

// draw gives the whole picture; live: cut to the terminal's height, and with what keys there are.
func (p *sniffPicture) draw(live bool) string {
	if p.view == nil {
		return ""
	}
	head := p.head()
	news := p.newest()
	room := 1 << 20
	if live {
		// With few lines, the events go before the peers.
		if most := max(0, p.height-len(head)-len(p.view.rows)-3); len(news) > max(most, 3) {
			news = news[len(news)-max(most, 3):]
		}
		if p.height < 12 {
			news = nil
		}
		room = p.height - len(head) - len(news) - 1
		if len(news) > 0 {
			room--
		}
	}
	table, grouped := peerTable(p.view.rows, p.look, p.width, room)
	lines := append(head, table...)
	if len(news) > 0 {
		lines = append(append(lines, ""), news...)
	}
	if live {
		lines = append(lines, p.look.dim.Render(foot(grouped)))
		lines = lines[:min(len(lines), max(1, p.height))]
	}
	for i, line := range lines {
		lines[i] = lipgloss.NewStyle().MaxWidth(p.width).Render(line)
	}
	return strings.Join(lines, "\n")
}

func foot(grouped bool) string {
	if grouped {
		return "  q: end   *: principal of its group"
	}
	return "  q: end"
}

func (p *sniffPicture) head() []string {
	h := &p.view.head
	lines := []string{p.look.strong.Render(h.title) + p.look.dim.Render("  sniffing, "+h.since)}
	lines = append(lines, p.join(h.readers, h.writers)...)
	queues := p.join(h.queues...)
	if len(queues) > queueLines {
		queues[queueLines-1] += " …"
		queues = queues[:queueLines]
	}
	lines = append(lines, queues...)
	for _, deaf := range h.deaf {
		lines = append(lines, p.look.bad.Render("  "+deaf))
	}
	if h.listens != "" {
		lines = append(lines, p.look.wait.Render("  "+h.listens))
	}
	return append(lines, "")
}

// queueLines is how many lines the queues of a group may take.
const queueLines = 3

func (p *sniffPicture) join(texts ...string) []string { return joined(p.width, texts...) }

// joined puts as many texts on a line as there is room for.
func joined(width int, texts ...string) (lines []string) {
	for _, text := range texts {
		last := len(lines) - 1
		if last >= 0 && lipgloss.Width(lines[last]+"   "+text) <= width {
			lines[last] += "   " + text
		} else {
			lines = append(lines, "  "+text)
		}
	}
	return lines
}

func (p *sniffPicture) newest() []string {
	lines := make([]string, len(p.news))
	for i := range p.news {
		n := &p.news[i]
		style := lipgloss.NewStyle()
		switch n.mood {
		case good:
			style = p.look.good
		case bad:
			style = p.look.bad
		}
		lines[i] = "  " + p.look.dim.Render(clock(n.at)) + "  " + style.Render(clip(n.text, p.width-12))
	}
	return lines
}

func clock(t time.Time) string { return t.Format("15:04:05") }
