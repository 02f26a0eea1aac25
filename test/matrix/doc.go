// Package matrix brings about every way to fail at every point in the life of every actor of a channel, and sees that the channel recovers or fails with a typed error.
//
//	point.go     the points, and how a fault strikes at one
//	channel.go   the channel: its two ends and their users
//	life.go      what it lives through, so that its actors pass as many points as there can be
//	check.go     what must hold in the end
//	run.go       all cells, by several workers
//	report.go    the table
//
// The points are not listed anywhere. A life without faults is run first, which notes which points are passed; then the same life is run once for each point and way to fail, on one
// thread from the same seed, so that all is the same until the fault strikes.
package matrix
