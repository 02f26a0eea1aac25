// Package sim runs whole channels on one thread from one seed: real protoactor actors under their supervisors, and the embedded port.
//
//	World      virtual time, the event heap, the mailboxes, faults at them, the trace   world.go heap.go clock.go mailbox.go fault.go trace.go
//	schedule   one run: a drawn configuration, users, faults, the end                   plan.go run.go endpoint.go users.go inject.go finish.go
//	oracles    what must hold                                                           ledger.go outage.go statuses.go finish.go
//	runner     many schedules, one after another or by several workers, summed up       runner.go batch.go
//
// A seed decides everything: which mailbox runs next, how long a packet takes, what is drawn as configuration and as fault. The same seed gives
// the same trace, in any process and on any machine. It finds wrong protocols between actors, not data races: one thread runs it all.
package sim
