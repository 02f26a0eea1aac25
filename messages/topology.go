package messages

// Between a supervisor and the topology actor, which lives only while there is something to do:
//
//	topology → supervisor   Ready    all resources are there
//	topology → supervisor   NotYet   what is missing, or what may not be deleted yet
//	topology → supervisor   NotEmpty a queue that is about to be deleted holds records
//	topology → supervisor   Finished all that was to be deleted is gone

// NotEmpty says that a queue which is about to be deleted, if nobody uses it, holds so many records.
type NotEmpty struct {
	From
	Queue string
	Ready int
}
