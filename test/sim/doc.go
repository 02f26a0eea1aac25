// Package sim runs whole channels on one thread from one seed: real protoactor actors under their supervisors, and the embedded port.
//
//	World      virtual time, the event heap, the mailboxes, faults at them, the trace   world.go heap.go clock.go mailbox.go fault.go trace.go
//	schedule   one run: a drawn configuration, users, the end                           plan.go run.go endpoint.go users.go finish.go
//	faults     what can strike whom, and does; what is aimed at whom                    catalogue.go inject.go strike.go poison.go port.go aim.go
//	oracles    what must hold                                                           ledger.go outage.go statuses.go finish.go
//	runner     many schedules, by several workers, summed up; a smaller one             runner.go batch.go cells.go report.go shrink.go
//
// A seed decides everything: which mailbox runs next, how long a packet takes, what is drawn as configuration and as fault. The same seed gives
// the same trace, in any process and on any machine. It finds wrong protocols between actors, not data races: one thread runs it all.
package sim
