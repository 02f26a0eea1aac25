package main

import (
	"fmt"
	"strings"

	"github.com/charmbracelet/lipgloss"

	"github.com/d2e2d648/weir/messages"
)

// sniffColumn is a column of the table of peers.
type sniffColumn struct {
	title string
	right bool
	// goes is when it goes where there is no room: the lowest first; 0: never.
	goes int
	text func(row *peerRow) string
	look func(styles, *peerRow) lipgloss.Style
	// what is below is of one picture
	cells []string
	width int
}

const (
	nameLeast = 16 // columns go before the names get shorter
	nameMost  = 48
	restLeast = 14 // of the entries, which take what room is left
	columnGap = 2

	titleGroup = "GROUP"
)

// sniffColumns are all there are, from left to right. Names come first and entries last.
func sniffColumns() []*sniffColumn {
	metric := func(title string, goes int, of func(*sniffMetrics) float64) *sniffColumn {
		return &sniffColumn{title: title, right: true, goes: goes, text: func(row *peerRow) string {
			if m := row.metrics(); m != nil && row.current() {
				return average(of(m))
			}
			return ""
		}}
	}
	return []*sniffColumn{
		{title: "PEER", text: func(row *peerRow) string { return printable(row.Context) }},
		{title: "ROLE", goes: 11, text: func(row *peerRow) string { return string(row.Side) }},
		{title: titleGroup, goes: 7, text: func(row *peerRow) string {
			if row.Group == "" {
				return ""
			}
			return clip(row.group(), 20)
		}},
		{title: "STATE", text: func(row *peerRow) string { return stateText(row.state) }, look: stateLook},
		{title: "HEALTH", text: (*peerRow).healthText, look: healthLook},
		{title: "SEEN", right: true, goes: 8, text: func(row *peerRow) string { return ago(row.age) }},
		{title: "RECORDS", right: true, goes: 9, text: func(row *peerRow) string {
			if row.checked == 0 {
				return ""
			}
			return number(row.records)
		}},
		{title: "REC/S", right: true, goes: 10, text: func(row *peerRow) string {
			if rate, known := row.speed(); known {
				return rateText(rate)
			}
			return ""
		}},
		{title: "SKEW", right: true, goes: 6, text: func(row *peerRow) string {
			if ahead, known := row.skew(); known {
				return skewText(ahead)
			}
			return ""
		}},
		metric("MS/CALL", 5, func(m *sniffMetrics) float64 { return m.PerCall }),
		metric("MS/REC", 4, func(m *sniffMetrics) float64 { return m.PerRecord }),
		metric("REC/CALL", 3, func(m *sniffMetrics) float64 { return m.Records }),
		metric("IDLE MS", 2, func(m *sniffMetrics) float64 { return m.SinceLast }),
		{title: "ENTRIES", goes: 1, text: func(row *peerRow) string {
			text := entriesText(row.entries())
			if row.awaitsSchema() {
				text = strings.TrimSuffix("waits for a schema "+text, " ")
			}
			return text
		}},
	}
}

func stateLook(look styles, row *peerRow) lipgloss.Style {
	switch {
	case row.health.gone():
		return look.dim
	case row.state == messages.StatusStarted:
		return look.good
	case row.state == messages.StatusError:
		return look.bad
	}
	return look.wait
}

func healthLook(look styles, row *peerRow) lipgloss.Style {
	switch row.health {
	case healthy:
		return look.good
	case late, unheard:
		return look.wait
	case unhealthy:
		return look.bad
	}
	return look.dim
}

// fitColumns fills the columns in and leaves out what is empty or finds no room.
func fitColumns(rows []*peerRow, width int) []*sniffColumn {
	var columns []*sniffColumn
	for _, c := range sniffColumns() {
		filled := c.goes == 0
		for _, row := range rows {
			cell := c.text(row)
			c.cells = append(c.cells, cell)
			c.width = max(c.width, lipgloss.Width(cell))
			filled = filled || cell != ""
		}
		if c.width = max(c.width, len(c.title)); filled {
			columns = append(columns, c)
		}
	}
	name := columns[0]
	wanted := min(name.width, nameMost)
	name.width = min(wanted, nameLeast)
	entries := columns[len(columns)-1]
	restWanted := 0
	if entries.goes == 1 {
		restWanted = entries.width
		entries.width = min(restWanted, restLeast)
	}
	for tableWidth(columns) > width {
		least := -1
		for i, c := range columns {
			if c.goes > 0 && (least < 0 || c.goes < columns[least].goes) {
				least = i
			}
		}
		if least < 0 {
			name.width = max(nameLeast/2, name.width-(tableWidth(columns)-width))
			break
		}
		columns = append(columns[:least], columns[least+1:]...)
	}
	if room := width - tableWidth(columns); room > 0 {
		name.width = min(wanted, name.width+room)
	}
	if room := width - tableWidth(columns); room > 0 && columns[len(columns)-1] == entries && entries.goes == 1 {
		entries.width = min(restWanted, entries.width+room)
	}
	return columns
}

func tableWidth(columns []*sniffColumn) int {
	total := columnGap * (len(columns) - 1)
	for _, c := range columns {
		total += c.width
	}
	return total
}

// peerTable draws the peers, at most so many lines, and says whether groups are among what is shown.
func peerTable(rows []*peerRow, look styles, width, most int) (lines []string, grouped bool) {
	if len(rows) == 0 {
		return []string{look.dim.Render("  nobody is there")}, false
	}
	columns := fitColumns(rows, width-columnGap) // of all rows, or columns would move as rows come and go
	shown := len(rows)
	if most = max(most, 2); shown+1 > most {
		shown = most - 2
	}
	titles := make([]string, len(columns))
	for i, c := range columns {
		titles[i] = pad(c.title, c, look.dim)
		grouped = grouped || c.title == titleGroup
	}
	gap := strings.Repeat(" ", columnGap)
	lines = []string{gap + strings.Join(titles, gap)}
	for r, row := range rows[:shown] {
		cells := make([]string, len(columns))
		for i, c := range columns {
			style := lipgloss.NewStyle()
			if row.health.gone() {
				style = look.dim
			}
			if c.look != nil {
				style = c.look(look, row)
			}
			cells[i] = pad(clip(c.cells[r], c.width), c, style)
		}
		lines = append(lines, strings.TrimRight(gap+strings.Join(cells, gap), " "))
	}
	if hidden := len(rows) - shown; hidden > 0 {
		lines = append(lines, look.dim.Render(fmt.Sprintf("  … %s: make the terminal higher", count(hidden, "more peer"))))
	}
	return lines, grouped
}

func pad(text string, c *sniffColumn, style lipgloss.Style) string {
	space := strings.Repeat(" ", max(0, c.width-lipgloss.Width(text)))
	if c.right {
		return space + style.Render(text)
	}
	return style.Render(text) + space
}
