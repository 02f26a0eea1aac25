package main

type bug struct {
	name    string
	patches []patch
	// rare, if set, says why so many schedules need not find it, and which test does.
	rare string
}

type patch struct{ file, was, is string }

// bugs are the ones by which the method was proved, as they would look here.
var bugs = []bug{
	{name: "AckBeforeHandOver", // a reader acknowledges what it has been delivered, not what its user has committed
		patches: []patch{{"supervisor/reader.go", "\tr.account.delivered(m)\n",
			"\tr.account.delivered(m)\n\tctx.Send(r.data.pid, &messages.Acknowledge{Epoch: r.data.epoch, Tag: m.Last()})\n"}}},
	{name: "ResendOutOfOrder", // new records go to the new producer before the unconfirmed ones
		patches: []patch{{"supervisor/writer.go", "\tw.account.rewind()\n",
			"\tw.account.nacked(w.account.settled.Low(), w.account.sentTo-1)\n\tw.account.rewind()\n"}}},
	{name: "StaleCommit", // a commit of an old epoch is passed to the new consumer
		patches: []patch{{"supervisor/committing.go", "\tcase m.Batch.Epoch != r.data.epoch || r.data.pid == nil:\n",
			"\tcase m.Batch.Epoch != r.data.epoch && r.data.ready:\n" +
				"\t\tctx.Send(r.data.pid, &messages.Acknowledge{Epoch: r.data.epoch, Tag: m.Batch.Last})\n" +
				"\t\treply(&messages.Committed{})\n" +
				"\tcase m.Batch.Epoch != r.data.epoch || r.data.pid == nil:\n"}}},
	{name: "StaleDelivered", // deliveries of an old epoch are handed over
		patches: []patch{{"supervisor/reader.go", "\tk := r.current(m.From)\n", "\tk := r.data\n"}}},
	{name: "ForgetUnconfirmed", // what was with a producer that failed is not sent again
		patches: []patch{{"supervisor/writer.go", "\tw.account.rewind()\n", ""}}},
	{name: "NoWindowWake", // a confirm does not send what waited for the window
		patches: []patch{{"supervisor/writer.go", "\t\tw.pause = nackPauseFirst\n\t}\n\tw.pump(ctx)\n", "\t\tw.pause = nackPauseFirst\n\t}\n"}}},
	{name: "CommitLostOnFail", // a commit of a failed consumer's batch is never answered
		patches: []patch{{"supervisor/committing.go", "r.data.pid == nil:\n\t\treply(&messages.Committed{Err: ErrRedelivered})\n", "r.data.pid == nil:\n"}}},
	{name: "GraceNeverCloses", // a proof does not close the grace window
		patches: []patch{{"supervisor/child.go", "\tif !c.grace.open {\n\t\treturn\n", "\tif c.failures >= 0 {\n\t\treturn\n"}}},
	{name: "NoLeaseAbort", // an incarnation that is cut off keeps its sessions
		patches: []patch{{"supervisor/child.go", "\tc.lease.Abort()\n\tstop(&c.proof)\n", "\tstop(&c.proof)\n"}}},
	{name: "NoReap", // a stopped child whose mailbox never runs again keeps its parent from stopping
		patches: []patch{{"supervisor/child.go", "\tc.after(ctx, reapAfter, &reap{c.pid})\n", ""}}},
	{name: "WindowLeak", // what was confirmed out of order is sent again, and never leaves the window
		patches: []patch{{"supervisor/account.go", "\treturn first, last, any\n}\n",
			"\treturn max(r.first, a.sentTo), r.last(), r.open > 0 && max(r.first, a.sentTo) <= r.last()\n}\n"}}},
	{name: "IdleGrace", // only a unit of work closes the window, so an idle child's stays open
		patches: []patch{{"supervisor/child.go", "\t\tc.proof = c.after(ctx, provenAfter, &proven{c.from()})\n", ""}}},
	{name: "StaleReady", // Ready of any epoch is believed
		patches: []patch{{"supervisor/channel.go", "\tk := c.current(m.From)\n\tif k == nil {\n\t\treturn\n\t}\n\tk.becameReady(ctx)\n",
			"\tk := c.find(m.Child)\n\tif k.pid == nil {\n\t\treturn\n\t}\n\tk.becameReady(ctx)\n"}}},
	{name: "SpawnWhileStopping", // a back-off that ends while the supervisor stops spawns a child
		patches: []patch{{"supervisor/replace.go", "k.epoch != m.Epoch || c.over() ||", "k.epoch != m.Epoch ||"}}},

	{name: "NoConfirmAwaited", // a write is answered when it was published
		patches: []patch{{"supervisor/writer.go", "Batch: batch, Apart: apart})\n",
			"Batch: batch, Apart: apart})\n\t\tw.confirm(batch.First-w.sequences.base, batch.Last()-w.sequences.base)\n"}}},
	{name: "IgnoredReturn", // a record that came back is taken for confirmed
		patches: []patch{{"actors/producer.go",
			"\tctx.Send(p.Parent, &messages.Refused{From: p.From, First: m.First, Last: m.Last, Err: m.Err})\n\tif errors.Is(m.Err, broker.ErrReturned) {\n",
			"\tif errors.Is(m.Err, broker.ErrReturned) {\n\t\tctx.Send(p.Parent, &messages.Confirmed{From: p.From, First: m.First, Last: m.Last})\n\t\treturn\n\t}\n" +
				"\tctx.Send(p.Parent, &messages.Refused{From: p.From, First: m.First, Last: m.Last, Err: m.Err})\n\tif errors.Is(m.Err, broker.ErrReturned) {\n"}}},
	{name: "DedupByDelivery", // what is delivered again is acknowledged and dropped
		patches: []patch{{"supervisor/reader.go", "\tif r.cfg.Stream != nil {\n\t\tr.onStreamed",
			"\tif m.Records[0].Redelivered && r.cfg.Stream == nil {\n\t\tctx.Send(k.pid, &messages.Acknowledge{Epoch: k.epoch, Tag: m.Last()})\n\t\treturn\n\t}\n" +
				"\tif r.cfg.Stream != nil {\n\t\tr.onStreamed"}}},
	{name: "FinishedEarly", // a producer says Finished before all of its sessions have ended
		patches: []patch{{"actors/lanes.go", "\tcase m.Err == nil && p.finishing && !p.lanes.over():\n", ""}}},
	{name: "StoredBeyondCommitted", // a stream's offset is stored when it was delivered
		patches: []patch{{"supervisor/stream.go", "\tr.account.places.add(m)\n",
			"\tr.account.places.add(m)\n\tctx.Send(r.data.pid, &messages.Acknowledge{Epoch: r.data.epoch, Tag: m.Last()})\n"}}},
	{name: "ResumeBehindDelivered", // a stream's next session begins behind what was delivered, not behind what was committed
		patches: []patch{{"supervisor/stream.go", "\tif p.next > p.start {\n\t\treturn p.next - 1\n\t}\n\treturn p.next\n", "\treturn max(p.next, p.seen)\n"}}},
	{name: "SettledBeyond", // a stream's new session settles more than the broker says that it has
		patches: []patch{{"supervisor/stream.go", "\treturn last - s.base, nil\n", "\treturn sent, nil\n"}}},
	{name: "NameNotHeld", // a stream's writer publishes without the lock of its name
		patches: []patch{{"actors/producer.go", "\tif p.lock.queue != \"\" {\n\t\tp.lock.take", "\tif p.lock.queue = \"\"; p.lock.queue != \"\" {\n\t\tp.lock.take"}}},
	{name: "ChecksumNotCompared", // a stream that was made anew and has grown is taken for the old one
		patches: []patch{{"supervisor/stream.go", "r.Offset == p.next-1 && checksum(r.Body) != p.sum", "r.Offset == p.next-1 && false"}}},
	{name: "NoSequenceGap", // a stream's writer begins right behind what the broker has
		patches: []patch{{"supervisor/stream.go", "max(last+sequenceGap, uint64(max(0, now.UnixMilli()))*sequencesOfMs)", "last"}},
		rare:    "of a writer that was killed, records must arrive when the next has opened: here by an alarm, a black hole and a kill at once (TestARestartedWriterIsNotTakenForItsFormerLife)"},
	{name: "StatusNotSentAgain", // what was with a status producer that failed is not sent again
		patches: []patch{{"supervisor/replace.go", "\t\tc.outbox.rewind()\n", ""}}},
	{name: "HungForEver", // a child that does not answer is left alone
		patches: []patch{{"supervisor/child.go", "\tcase c.looks == patience:\n\t\treturn true\n", "\tcase c.looks == patience:\n"}}},

	{name: "NoAudit", // nobody asks the broker whether it serves a data consumer that brings nothing
		patches: []patch{{"supervisor/reader.go", "\t\tr.audit(ctx)\n", ""}}},
	{name: "NoStatusRenewal", // who reads statuses and hears nothing goes on for ever
		patches: []patch{{"supervisor/channel.go", "\tc.renewStatuses(ctx)\n", ""}}},

	// Those that the simulation found here first.
	{name: "HistoryHidesSilence", // what the history session brings is taken for a sign that the live one is served
		patches: []patch{{"supervisor/status.go", "\tif !m.History { // the history session goes on", "\tif len(m.Statuses) >= 0 { // the history session goes on"}}},
	{name: "OrderedStreamNotAudited", // of an ordered reader on a stream records that wait are taken for another's
		patches: []patch{{"supervisor/audit.go", "case m.Ready == 0 || r.busy() || r.renewable():", "case m.Ready == 0 || r.busy() || r.renewable() || r.cfg.Ordered:"}}},
	{name: "LivesShareSequences", // two lives of a stream's writer use the same sequences when nothing has arrived before the second
		patches: []patch{{"supervisor/stream.go", "max(last+sequenceGap, uint64(max(0, now.UnixMilli()))*sequencesOfMs)", "last + sequenceGap"}},
		rare:    "as NoSequenceGap, and before anything of the name has arrived (TestARestartedWriterIsNotTakenForAFormerLifeOfWhichNothingHasArrived)"},
	{name: "DeliveryGapIgnored", // a delivery that was lost is acknowledged with those behind it
		patches: []patch{{"actors/consumer.go", "\tif m.First != c.last+1 {\n", "\tif m.First <= c.last {\n"}}},
	{name: "StatusConfirmLost", // a status whose confirm was lost is never sent again, and holds up the close
		patches: []patch{{"actors/status_producer.go", "\tif p.timer == nil {\n\t\tp.timer = p.after(ctx, StatusDeadline, &stallCheck{})\n\t}\n", ""}}},
	{name: "OffsetOfOldStream", // after its stream was deleted and made anew, a status consumer goes on at the old one's offset
		patches: []patch{
			{"supervisor/replace.go", "\t\t\tc.statusNext = 0 // a stream that is made anew has other offsets\n", ""},
			{"actors/status_consumer.go", "\t\tif c.liveFrom < c.next {", "\t\tif c.liveFrom < 0 {"},
			{"broker/embedded/stream.go", "min(max(from.Offset, l.first()), l.end)", "max(from.Offset, l.first())"}}},
	{name: "HistoryComesFirst", // a live status that the history session reads before the live one is no event
		patches: []patch{
			{"supervisor/peers.go", "\tq := n.peer\n", "\tq := n.peer\n\twas := q.State\n"},
			{"supervisor/peers.go", "(!q.told || q.as != q.State)", "(n.appeared || was != q.State)"}}},
	{name: "SilentEnd", // the embedded broker: a session that is ended while it is in a black hole never learns of it
		patches: []patch{{"broker/embedded/link.go", "\t\t\tkept.push(arrival{event: &broker.Ended{Err: err}})\n", ""}}},
}
