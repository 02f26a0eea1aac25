// Package rabbitstream is the port on RabbitMQ's stream protocol: publishers and consumers of streams. What is a stream goes over that, all else over the AMQP port that it
// is made with: requests, since a stream that is declared by this protocol has arguments of its own, and consumers that do not say from where (ConsumerConfig.Stream), which
// consume a queue.
//
//	port method ──► session ──wake──► its worker ──► scout: may it be opened? ──► link: a connection, shared
//	                 account            one goroutine     a connection for it alone     │
//	                                        └── frames that publish, questions ──────► writer ──► socket
//	sink ◄── outbox ◄── confirms, chunks ◄──────────────────────────────────────────── reader ◄──
//
// The frames are weir's own, as over AMQP: the stream client makes an object, a map entry and a look at the clock of each record that it publishes, hands the socket 4 KiB at a
// time, allocates seven times for each record that it reads, and has calls that can hang for ever; its decoder panics on some messages and allocates what they say. So the client only serves as the peer in tests.
//   - Before each opening a [scout] does the whole handshake on a connection of its own, with a deadline, and asks there: is the stream there, what is stored under the
//     names. It also finds out where a consumer begins, which is then asked for by its offset, so that nothing is missed that is published between the two; and what a
//     consumer has ahead (see peek.go);
//   - a link takes 256 sessions in its life, since no number and no publisher's name comes to one twice: what the broker says late to one session would be taken by the next;
//   - it has one goroutine that writes what its sessions have gathered, with one system call where it can, and one that reads: it hands confirms on as merged ranges, and a
//     chunk's records as they are, since their bodies are the chunk's bytes. A session waits for neither; what is not answered in time is given up;
//   - nothing reconnects: a connection that is lost ends its sessions (rule 4);
//   - a session that has heard nothing for a heartbeat asks for a sign of life. Where none comes, nor anything else on the connection, the broker is silent, which is known one and a half heartbeats and a second after the last
//     that came. A publisher asks a scout before: where that is answered it is an alarm, which keeps the broker from reading publishers, and the session waits on.
//
// The stream protocol tells nothing of alarms (rule 10): that of the memory does not concern it, that of the disk keeps the broker from reading publishers.
//
// A record together with its properties must fit into a frame, which is 1 MiB unless the broker is configured otherwise: what does not ends its session with
// ErrRefused, as a record does over AMQP that is above that limit.
//
// A publisher's connection that is half-open, while the broker answers scouts, cannot be told from one that an alarm keeps from being read: it is given up when nothing has come for two heartbeats of
// the broker, which the alarm does not stop: for twice Heartbeat, at least 6 s.
//
// A chunk whose checksum is wrong, or whose entries are not where it says, ends its session: the broker has made it. What is inside an entry of several is its publisher's word alone. Compressed ones, of which weir writes none, are read, as long as
// a chunk's do not become more than 64 MiB in all, or 16 times the chunk, with 64 bytes for each record. An entry that is beyond that, that is compressed in a way that is not known, or that is broken or has fewer records than it says, stops no
// reader: for all its records that cannot be read there is one, at the last of their offsets, with the bytes that could not be read as its body, for the reader's codec to refuse.
//
// Of a message weir reads the data, the properties that it knows and the headers that are text; all else is skipped. One that makes no sense is handed over like any other, for the reader's codec to refuse: its body
// is the data that was found, or else the whole message.
//
// A reader who keeps one body keeps its whole chunk, some hundred KiB in the mean.
//
// Permissions: a name needs the permission to read, and on RabbitMQ 3.10 a consumer's name the one to write, too.
//
// RabbitMQ remembers the sequences of about 255 publishers' names a stream, the last used ones.
package rabbitstream
