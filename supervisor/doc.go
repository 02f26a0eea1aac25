// Package supervisor holds the channel supervisors: one for a reading end, one for a writing end. A supervisor owns what must outlive its children: the life
// cycle, the accounts of what is unconfirmed or uncommitted, what is known of peers, the grace windows. It does no I/O and never waits.
//
//	your actor ── Write, Demand, Commit, Close ─► supervisor ──┬─ data consumer | data producer
//	           ◄─ Written, Batch, Committed, Closed ──         ├─ status producer
//	                                                           ├─ status consumer
//	                                                           ├─ health ticker
//	                                                           ├─ metrics aggregator
//	                                                           └─ topology (while resources are created, awaited or deleted)
//
// A child is kept alive as one incarnation at a time (child.go):
//
//	starting ──Ready──► up ──failure──► down ──back-off──► starting (the next epoch)
//	    └────────failure───────────────► │
//	                                     └─ grace window used up, or an error that no retry mends ─► the channel fails
//
// A channel goes Preparing → Opening → Running → Closing → ClosedNow; Failed can follow each of the first four (channel.go).
package supervisor
