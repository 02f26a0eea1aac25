package sim

// Hang never returns. A handler that calls it has its actor hang: what it has done so far is visible, and it does nothing more.
func (w *World) Hang() { w.cur.hang() }

// Hanging counts the goroutines that hang. Reset lets them go.
func (w *World) Hanging() int { return len(w.hangs) }
