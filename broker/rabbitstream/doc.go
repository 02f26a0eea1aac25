// Package rabbitstream is the port on RabbitMQ's stream protocol: publishers and consumers of streams, by rabbitmq-stream-go-client. What is a stream goes over
// that, all else over the AMQP port that it is made with: requests, since what the client declares has arguments of its own, and consumers that do not say from
// where (ConsumerConfig.Stream), which consume a queue.
//
//	port method ──► session ──wake──► its worker ──► scout: may it be opened? ──► link ──► the client
//	                 account            one goroutine     a handshake of our own     an environment, shared
//	sink ◄── outbox ◄── the client's goroutines: confirms, deliveries
//
// The client is used from workers only: its calls can block for ever, in a handshake that is not answered, in a write that nobody reads, and in a loop that
// reconnects without end. So
//   - before each opening a [scout] does the whole handshake on a connection of our own, with deadlines and typed errors, and asks there what the client would
//     ask: is the stream there, what is stored under the names. It also finds out where a consumer begins, which the client then asks for by its offset,
//     so that nothing is missed that is published between the two; and what a consumer has ahead (see peek.go);
//   - each call of the client has a limit, after which its goroutine is abandoned; few may be (maxHung), then the port opens nothing until one comes back;
//   - nothing reconnects: a connection that is lost ends its sessions (rule 4), and the environment is thrown away with them;
//   - a session that has heard nothing for a heartbeat asks for a sign of life; where none comes and a scout hears nothing either, the broker is silent. Where
//     the scout is answered it is an alarm, which keeps the broker from reading publishers, and the session waits on.
//
// The stream protocol tells nothing of alarms (rule 10): that of the memory does not concern it, that of the disk keeps the broker from reading publishers.
//
// A record together with its properties must fit into a frame, which is 1 MiB unless the broker is configured otherwise: what does not ends its session with
// ErrRefused, as a record does over AMQP that is above that limit.
//
// A publisher's connection that is half-open, while the broker answers scouts, cannot be told from one that an alarm keeps from being read: it is given up when two heartbeats of the
// broker in a row are missing, which the alarm does not stop: after two to three times Heartbeat, at least 3 s each.
//
// What nothing here can mend: a compressed batch of sub-entries that is malformed ends the process, in the client's own goroutine. weir writes none.
//
// Permissions: a name needs the permission to read, and on RabbitMQ 3.10 a consumer's name the one to write, too.
//
// RabbitMQ remembers the sequences of about 255 publishers' names a stream, the last used ones.
package rabbitstream
