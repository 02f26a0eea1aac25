// Package chaos runs weir on a real RabbitMQ under randomised schedules of faults, each drawn from a seed.
//
//	plan.go, fault.go   what a seed says: the channel, its traffic, its faults and when
//	network.go          the network between the channel and the node, which has faults of its own: package network
//	node.go, strike.go  the node, and how each fault is brought about: by the broker itself (erlang.go), by what it refuses
//	                    (refuse.go), by users (pressure.go), by a raw publisher (poison.go)
//	user.go             who writes and reads, and notes it in a ledger (test/ledger), from which what is wrong is computed
//	run.go, heal.go     a schedule from its beginning to the proof that all is as before
//	report.go           the table
//
// A schedule is over when a fresh record of each writer has arrived at every reading of the channel, nothing that was confirmed is missing, and the broker shows the consumers that there should be and no others.
// What a seed says is always the same; when a fault strikes between two records is not, so a seed that has found something finds it again often, not always.
package chaos
