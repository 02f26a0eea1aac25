package brokertest

// alsoOnStreams are the cases that hold on a stream in the place of their queue, too: nothing in them is taken out of it.
var alsoOnStreams = []string{
	"opened comes first", "opening on a missing queue ends", "methods before opened do nothing", "close of an idle session ends it", "close before opened",
	"sinks are serial and outside of methods", "methods from many goroutines", "pending says once",

	"abort of a lease ends all of it", "abort of a lease is idempotent and concurrent", "opening on an aborted lease never opens", "late events after abort are in order",

	"confirmed says all records and only own ones", "two publishers are confirmed apart", "sequences go on over sessions", "window exceeded by one batch",
	"a full window is no misuse", "records arrive in the order published", "close sends what was published before",

	"a batch is never larger than MaxBatch", "a batch never waits to be filled", "first deliveries are not redelivered", "deleting a stream ends its consumers",

	"a consumer inspects a stream", "inspect crossing close", "inspect crossing a deletion", "inspect crossing a cut", "inspect through a freeze",

	"empty body", "every byte", "properties", "properties are left out", "app id and message id", "content encoding of the session", "no properties",

	"probe", "requests are carried out in order", "done is called exactly once", "done is called exactly once through a cut", "done is called at most once after abort",
	"deleting what is missing", "if-unused on a stream deletes under its consumers",

	"a cut ends every session once", "close crossing a cut ends once", "methods do not block while the broker is frozen", "a freeze loses nothing in silence",
}
