package sim

import (
	"fmt"
	"strings"
)

// LeastHits is how often a run must hit each cell that can occur.
const LeastHits = 100

// Markdown gives the sum and the table for a page.
func (t *Total) Markdown() string {
	var s strings.Builder
	lost := fmt.Sprintf("%d violated a promise", t.Violated)
	if t.Violated == 0 {
		lost = "none violated a promise: 0 confirmed records were lost"
	}
	fmt.Fprintf(&s, "%d schedules (each seed in either mode), %s. %d records were delivered, %d of them again. %d children failed, %d channels failed and were opened again.\n\n", t.Schedules, lost,
		t.Delivered+t.Duplicates, t.Duplicates, t.Incidents, t.Failed)
	fmt.Fprintf(&s, "%d faults struck, %d of them while something was unconfirmed: at least %d in each schedule.", t.Injected, t.WhileUnconfirmed, t.Least)
	n, of := t.Cells.least()
	fmt.Fprintf(&s, " %d combinations of fault, actor and state can occur; the one that was hit least, %d times, is %s.\n\n", len(possible), n, of)
	s.WriteString(t.Cells.Markdown())
	return s.String()
}
