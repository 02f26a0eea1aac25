package main

import (
	"fmt"
	"strings"
)

// The clients.
const (
	clientRaw       = "amqp091-go"
	clientStream    = "stream client"
	clientWatermill = "watermill-amqp"
	clientWeir      = "weir"
)

// The kinds of queues, the formats of records, and what is done with them.
const (
	classic = "classic"
	quorum  = "quorum"
	streams = "stream"

	formatRaw  = "raw"
	formatAvro = "Avro"

	opWrite = "write"
	opRead  = "read"
	opBoth  = "both at once"
)

const (
	small = 100
	large = 4096
)

// scene is where work is done.
type scene struct {
	Kind   string
	Size   int // bytes of a body
	Format string
}

func (s scene) String() string { return s.Kind + ", " + s.sort() }

// sort is size and format.
func (s scene) sort() string {
	if s.Format == formatAvro {
		return length(s.Size) + ", Avro"
	}
	return length(s.Size)
}

// work is what an entry does.
type work struct {
	Op string
	// Callers write in calls, and each waits for the confirmation of a call before its next one; 0: one sends, as far as the window lets it.
	Callers int
	// Per is the records of a call.
	Per int
	// Ahead is how many records a reader is handed ahead. The stream client counts chunks instead.
	Ahead int `json:",omitempty"`
	// Sub is the records of a sub-entry, of streams.
	Sub int `json:",omitempty"`
}

// entry is one line of a contest.
type entry struct {
	Client string
	Work   work
	Goal   goal
}

func (e entry) Name() string { return e.Client + ": " + e.what() }

// what says how an entry goes about it, in its client's terms.
func (e entry) what() string {
	w := e.Work
	text := ""
	switch {
	case w.Op == opRead && e.Client == clientStream:
		text = "10 chunks ahead"
	case w.Op == opRead:
		text = "prefetch " + thousands(w.Ahead)
	case w.Callers > 0:
		text = plural(w.Callers, "caller") + " of " + thousands(w.Per)
	case e.Client == clientRaw:
		text = "1,000 in flight"
	case e.Client == clientStream && w.Per > 1:
		text = "batches of " + thousands(w.Per)
	case w.Per > 1:
		text = "Send of " + thousands(w.Per)
	default:
		text = "Send one by one"
	}
	if w.Op == opBoth {
		text += ", and read"
	}
	if w.Sub > 0 {
		text += ", sub-entries of " + thousands(w.Sub)
	}
	return text
}

// goal is what weir is to reach, as ratios to the first entry of its contest. 0: none.
type goal struct {
	Rate float64 `json:",omitempty"` // at least
	CPU  float64 `json:",omitempty"` // at most
}

func (g goal) String() string {
	switch {
	case g == goal{}:
		return ""
	case g.CPU == 0:
		return fmt.Sprintf("≥ %.4g", g.Rate)
	}
	return fmt.Sprintf("≥ %.4g · ≤ %.4g", g.Rate, g.CPU)
}

// contest is one kind of work, done by one entry after the other in the same place of each round. The first entry is what the others are compared with.
type contest struct {
	Scene   scene
	What    string
	Entries []entry
}

func (c *contest) Name() string { return fmt.Sprintf("%s, %s", c.Scene, c.What) }

// goals are of bare bodies of 100 B, and that nothing of 4 KiB is slower.
type goals struct{ calls1, calls16, write, read, both goal }

func goalsOf(s scene) goals {
	switch {
	case s.Size == large:
		never := goal{Rate: 1}
		return goals{never, never, never, never, never}
	case s.Format != formatRaw:
		return goals{}
	case s.Kind == quorum:
		return goals{calls1: goal{1, 0.3}, write: goal{1.3, 0.15}, read: goal{1.2, 0.65}, both: goal{1.3, 0.4}}
	case s.Kind == classic:
		return goals{write: goal{1.1, 0.15}, read: goal{1.15, 0.7}, both: goal{1.3, 0.4}}
	}
	return goals{write: goal{Rate: 1.1}, read: goal{Rate: 1}}
}

func contests() []*contest {
	var all []*contest
	for _, format := range []string{formatRaw, formatAvro} {
		for _, size := range []int{small, large} {
			for _, kind := range []string{classic, quorum} {
				all = append(all, queueContests(scene{kind, size, format})...)
			}
			all = append(all, streamContests(scene{streams, size, format})...)
		}
	}
	return all
}

// queueContests has all callers in the raw format, and the two ways that matter with Avro. Watermill has no other way to write than calls.
func queueContests(s scene) []*contest {
	g := goalsOf(s)
	calls := func(callers int) work { return work{Op: opWrite, Callers: callers, Per: 100} }
	send, read, both := work{Op: opWrite, Per: 1}, work{Op: opRead, Ahead: inFlight}, work{Op: opBoth, Per: 1, Ahead: inFlight}
	write := &contest{s, opWrite, []entry{{clientRaw, send, goal{}}}}
	reading := &contest{s, opRead, []entry{{clientRaw, read, goal{}}, {clientWeir, read, g.read}}}
	at := &contest{s, opBoth, []entry{{clientRaw, both, goal{}}, {clientWeir, both, g.both}}}
	if s.Format == formatAvro {
		write.add(clientRaw, calls(4), goal{}).add(clientWeir, calls(4), g.write).add(clientWeir, send, g.write)
		return []*contest{write, reading, at}
	}
	for _, callers := range []int{1, 4, 16} {
		write.add(clientRaw, calls(callers), goal{})
	}
	write.add(clientWeir, calls(1), g.calls1).add(clientWeir, calls(4), g.write).add(clientWeir, calls(16), g.calls16).add(clientWeir, send, g.write)
	for _, callers := range []int{1, 4, 16} {
		write.add(clientWatermill, calls(callers), goal{})
	}
	reading.add(clientWatermill, work{Op: opRead, Ahead: 1}, goal{})
	at.add(clientWatermill, work{Op: opBoth, Callers: 1, Per: 100, Ahead: 1}, goal{})
	return []*contest{write, reading, at}
}

// streamContests: a call has as many records as the stream client can put into a frame of 1 MiB, at most 1,000.
func streamContests(s scene) []*contest {
	g := goalsOf(s)
	per := min(1000, (1<<20)/(s.Size+64))
	if per < 1000 {
		per = per / 50 * 50
	}
	calls := func(callers int) work { return work{Op: opWrite, Callers: callers, Per: per} }
	send, single, read, both := work{Op: opWrite, Per: per}, work{Op: opWrite, Per: 1}, work{Op: opRead, Ahead: streamAhead}, work{Op: opBoth, Per: per, Ahead: streamAhead}
	write := &contest{s, opWrite, []entry{{clientStream, send, goal{}}}}
	write.add(clientWeir, calls(4), g.write).add(clientWeir, send, g.write)
	reading := &contest{s, opRead, []entry{{clientStream, read, goal{}}}}
	reading.add(clientWeir, read, g.read)
	at := &contest{s, opBoth, []entry{{clientStream, both, goal{}}}}
	at.add(clientWeir, both, g.both)
	all := []*contest{write, reading, at}
	if s.Format == formatAvro {
		return all
	}
	write.add(clientWeir, calls(1), g.calls1).add(clientWeir, calls(16), g.calls16).add(clientStream, single, goal{}).add(clientWeir, single, goal{})
	if s.Size == small {
		all = append(all, subContests(s, per)...)
	}
	return all
}

func subContests(s scene, per int) []*contest {
	const sub = 100
	send, calls, read := work{Op: opWrite, Per: per, Sub: sub}, work{Op: opWrite, Callers: 4, Per: per, Sub: sub}, work{Op: opRead, Ahead: streamAhead, Sub: sub}
	write := &contest{s, "write sub-entries", []entry{{clientStream, send, goal{}}}}
	write.add(clientWeir, calls, goal{Rate: 1.15}).add(clientWeir, send, goal{Rate: 1.15})
	reading := &contest{s, "read sub-entries", []entry{{clientStream, read, goal{}}}}
	reading.add(clientWeir, read, goal{Rate: 1})
	return []*contest{write, reading}
}

func (c *contest) add(client string, w work, g goal) *contest {
	c.Entries = append(c.Entries, entry{client, w, g})
	return c
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return thousands(n) + " " + noun + "s"
}

// thousands groups digits.
func thousands(n int) string {
	digits := fmt.Sprint(n)
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return b.String()
}

func length(n int) string {
	if n >= 1024 && n%1024 == 0 {
		return fmt.Sprintf("%d KiB", n/1024)
	}
	return fmt.Sprintf("%d B", n)
}
