// Package soak runs channels for long, restarts their parts, resets their connections and takes the broker away, and looks for what grows: heap, resident memory, goroutines, descriptors. A ledger says
// whether everything that was confirmed was delivered.
//
// What is measured is measured at rest: writers pause, all has been delivered, parts are ready, and what ends later by design (stopped actors are looked after for 2 s, idle connections kept for 10 s) has
// ended. It runs on the embedded broker and on a private RabbitMQ node. make soak runs all of it, a test a few seconds of it.
package soak
