// Package weir gives Go programs supervised channels over RabbitMQ. A channel carries records from writers to readers, and both sides know the other's
// state. Every moving part of a channel is an actor of its own under a channel supervisor: a part that fails is replaced, and the channel only fails when
// failures go on for longer than its grace window.
//
// Open a Runtime, then writers and readers on it:
//
//	rt, err := weir.Open(ctx, "amqp://localhost")   // or weir.Embedded()
//	w, err := weir.OpenWriter(ctx, rt, "orders", weir.Avro[Order](schema), weir.Name("shop"))
//	err = w.Write(ctx, orders...)
//
//	r, err := weir.OpenReader(ctx, rt, "orders", weir.Avro[Order](schema), weir.Name("worker-1"))
//	for batch, err := range r.Batches(ctx) { …; err = batch.Commit(ctx) }
//
// Records are delivered at least once. Write returns nil when the broker has confirmed every record; Commit acknowledges exactly what was handed over. What a
// program must expect is in docs/design.md, "What it promises".
//
// Authors of actor systems use supervisor.ReaderProps and supervisor.WriterProps instead: the same channels, in messages.
package weir
