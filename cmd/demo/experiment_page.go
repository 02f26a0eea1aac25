package main

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"
)

//go:embed experiment_page.html
var pageText string

// pageData is what the page's template shows.
type pageData struct {
	R              *experimentReport
	Title, Command string
	Mean, CutOff   string
	Tiles, Ledger  []pageFigure
	Wide, Narrow   template.HTML
	Notes          []string
}

// pageFigure is a number with its name.
type pageFigure struct{ Name, Value, Note, Class string }

// page writes the report as one page that needs nothing else.
func (r *experimentReport) page(to io.Writer) error {
	t, err := template.New("page").Funcs(template.FuncMap{
		"ms": msText, "dash": orDash, "causes": causes, "seconds": func(ms float64) float64 { return ms / 1e3 },
		"class": func(h happening) string { return classOf(h) }, "words": func(e entry) string { return e.brief() },
		"began": func(f faultReport) *float64 { return f.beganAt() },
	}).Parse(pageText)
	if err != nil {
		return err
	}
	d := pageData{R: r, Title: strings.ToUpper(r.Verdict[:1]) + r.Verdict[1:], Command: strings.Join(r.Command, " "), Tiles: r.tiles(), Ledger: r.accounts(), Notes: r.Notes}
	if r.Rate > 0 {
		d.Mean = number(int(r.Rate))
	}
	if r.Failure != "" {
		d.Notes = append(d.Notes, r.Failure)
	}
	const wideWidth, narrowWidth = 1080, 350
	wide, narrow := r.picture(wideWidth, 300), r.picture(narrowWidth, 240)
	d.CutOff = r.cutOff(wideWidth)
	d.Wide, d.Narrow = template.HTML(wide), template.HTML(narrow) //nolint:gosec // what they hold of others is escaped
	return t.Execute(to, d)
}

// classOf gives the colour of an entry.
func classOf(h happening) string {
	switch h {
	case hapBegins, hapEnds:
		return "wait"
	case hapDetected, hapFailed, hapBroken:
		return "bad"
	case hapReplaced, hapRecovered, hapHealed:
		return "good"
	}
	return ""
}

// badAbove marks what should be zero.
func badAbove(n, most int) string {
	if n > most {
		return "bad"
	}
	return "good"
}

func (r *experimentReport) tiles() []pageFigure {
	f := &r.Records
	all := []pageFigure{
		{Name: "attempted", Value: number(f.Attempted)}, {Name: "confirmed", Value: number(f.Confirmed)},
		{Name: "delivered", Value: number(f.Delivered)}, {Name: "committed", Value: number(f.Committed)},
		{Name: "lost", Value: number(f.Lost), Class: badAbove(f.Lost, 0)},
		{Name: "duplicated", Value: number(f.Duplicated), Note: "at most " + number(r.DuplicatesAtMost), Class: badAbove(f.Duplicated, r.DuplicatesAtMost)},
	}
	return all
}

// accounts is the ledger, with what each figure means.
func (r *experimentReport) accounts() []pageFigure {
	f := &r.Records
	all := []pageFigure{
		{Name: "attempted", Value: number(f.Attempted), Note: "handed to a writer"},
		{Name: "confirmed", Value: number(f.Confirmed), Note: "the broker has said that it has them"},
		{Name: "not sent", Value: number(f.NotSent), Note: "never got as far as the broker, and the caller was told so"},
		{Name: "unknown", Value: number(f.Unknown), Note: fmt.Sprintf("whether the broker has them was never learnt; %s of them were delivered (recovered)", number(f.Recovered))},
		{Name: "delivered", Value: number(f.Delivered), Note: "handed to a reader, each counted once"},
		{Name: "committed", Value: number(f.Committed), Note: "of these, the commit said nil"},
		{Name: "lost", Value: number(f.Lost), Note: "confirmed, never delivered", Class: badAbove(f.Lost, 0)},
		{Name: "unexpected", Value: number(f.Unexpected), Note: "delivered, never sent", Class: badAbove(f.Unexpected, 0)},
		{Name: "corrupted", Value: number(f.Corrupted), Note: "the checksum was wrong", Class: badAbove(f.Corrupted, 0)},
		{Name: "duplicated", Value: number(f.Duplicated), Note: fmt.Sprintf("deliveries beyond the first; the restarts that there were allow for %s", number(r.DuplicatesAtMost)), Class: badAbove(f.Duplicated, r.DuplicatesAtMost)},
		{Name: "reordered", Value: number(f.Reordered), Note: "first deliveries behind a later record of the same writer; --ordered and streams have none"},
	}
	if f.Excused > 0 {
		all = append(all, pageFigure{Name: "deleted on purpose", Value: number(f.Excused), Note: "confirmed, and in the queue or stream when the experiment deleted it"})
	}
	if f.Undelivered > 0 {
		all = append(all, pageFigure{Name: "still at the broker", Value: number(f.Undelivered), Note: "confirmed, and not delivered when the experiment was cut off"})
	}
	return all
}
