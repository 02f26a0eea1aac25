package messages

// Between a supervisor and the topology actor, which lives only while there is something to do:
//
//	topology → supervisor   Ready    all resources are there
//	topology → supervisor   NotYet   what is missing, or what may not be deleted yet
//	topology → supervisor   Finished all that was to be deleted is gone
