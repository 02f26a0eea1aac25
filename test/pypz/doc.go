// Package pypz is a pypz peer as it behaves on the wire: a reader and a writer of pypz's rmq_io channels, its limits and its bugs included. It is an independent witness of what weir does, so
// it is built on raw amqp091-go and imports nothing of weir.
//
// Comments name what they imitate by file and line of pypz-python at afc81d7: base.py, io.py and status.py are in core/src/pypz/core/channels, ports.py is
// core/src/pypz/abstracts/channel_ports.py, channels.py and utils.py are in plugins/rmq_io/src/pypz/plugins/rmq_io. What is py-amqp's says so.
//
//	r := pypz.NewReader(pypz.Options{URL: url, Channel: "C", Context: "p.op.in"})
//	created, err := r.CreateResources()
//	opened, err := r.Open()         // false: not yet
//	err = r.Start()
//	records, err := r.Read()
//	err = r.CommitCurrent()
//	err = r.Wait(ctx, "the writer's end", func(v *pypz.View) bool { return v.Peer("w").State == "Closed" })
//	err = r.Close()
//
// # What differs from the original, and why
//
//   - Times are fields, so that tests are fast; their defaults are the original's. The control loop ends at once when it is told to, and does not finish its sleep.
//
//   - What the original logs and forgets (an exception in the control loop, a status that cannot be sent at its close) is kept in View.Errors.
//
//   - Everything that a peer has heard and said is kept in its View, whose changes can be waited for.
//
//   - content_encoding must be utf-8, where py-amqp takes any name of a Python codec.
//
//   - Health checks carry no metrics: in the original they are off by default.
//
//   - There are heartbeats, since amqp091-go knows no connection without.
//
// As in the original, one goroutine uses a peer; See, Peer, Errors and the questions about peers are safe for concurrent use. A peer's goroutines end with its Close or Kill.
package pypz
