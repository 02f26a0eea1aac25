// Package embedded is the port in process: a message broker that has what an actor uses, and nothing else. Queues, exchanges and streams
// live in memory and end with the process.
//
// All its state lives on one [Loop]. In production that is a goroutine with real time ([Start]), in a simulation the world's event heap
// ([New]). The broker itself has no goroutine, lock or clock, and never depends on the order of a map: the same calls with the same
// latencies give the same events.
//
//	port method ──Post──► client side ──up, a latency──► broker side ──down, a latency──► sink
//	                      window, tags                   queues, streams                  on the loop
//
// Each session is a [link] with two directions, both first-in-first-out. That is where the faults of faults.go come in: a cut loses what
// is on its way to the broker, a freeze holds both directions, a kill forgets the client.
//
// What is simpler than at a real broker: MaxAge of a queue is looked at when something is to be delivered or counted, and only at the
// queue's head; a dead-lettered record whose target is missing or full is dropped (Counts.Dropped tells); a stream's chunk is one
// published batch, and retention drops whole chunks but never the last; there are no segments, so SegmentBytes does nothing.
package embedded
