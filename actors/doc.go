// Package actors holds the moving parts of a channel, one file for each, and what they run in.
//
//	data consumer        takes deliveries from the data queue               consumer.go
//	data producer        publishes and awaits confirms                      producer.go
//	status producer      publishes this endpoint's statuses                 status_producer.go
//	status consumer      reads the peers' statuses, history and live        status_consumer.go
//	health ticker        says when a health check is due                    health_ticker.go
//	metrics aggregator   computes the figures of the last cycles            metrics_aggregator.go
//	topology             creates, awaits or deletes the channel's resources topology.go
//
// An actor here is one incarnation: it is spawned with a lease for everything it has open at the broker, never repairs itself, and fails by a panic with a
// typed error; the supervisor aborts the lease and spawns the next incarnation. Nothing waits: no goroutine, channel, select, lock,
// atomic, clock or global random number. I/O, timers and chance come through the port and [Env]; their callbacks only send a message. So the same
// actors run on goroutines in production and on one thread from a seed in simulation. One file, goroutines.go, is the exception and says why.
package actors
