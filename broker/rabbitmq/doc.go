// Package rabbitmq is the port of package broker on RabbitMQ, over AMQP 0-9-1.
//
//	New(Config) ── Port ──► Lease ──► Publisher, Consumer, Do
//	                 │
//	                 ├─ keeper (publish) ─┐  dial for all who wait, hand out channels, tell alarms
//	                 ├─ keeper (consume) ─┤
//	                 └─ topology ─────────┴─► link: one AMQP connection
//	                                            └─ wire: the net.Conn that amqp091-go is given
//
// amqp091-go does the handshake, heartbeats, channels, declarations and subscriptions. The frames of the data path (basic.publish,
// basic.ack and basic.nack both ways, basic.return, basic.deliver, basic.reject) are this package's own: the wire takes them out of, and
// puts them into, the stream of bytes below amqp091-go, see wire.go and read.go.
//
// What RabbitMQ lets the port promise beyond the rules of package broker, and what not:
//
//   - One connection of a port publishes and one consumes, whatever number of sessions there are; further ones only when the 2,047 channels
//     of one are nearly used, or when the broker blocks the one (rule 10): a blocked connection cannot open channels, so publishers that open
//     during an alarm get another connection, which publishes nothing until the alarm is over.
//   - RabbitMQ tells of an alarm only who has published. A publisher that opens while no connection of its port knows of the alarm is told
//     Blocked at its first record.
//   - While the broker cannot be reached, an opening waits up to 4 s, is then Ended with ErrUnavailable and the last reason. What the
//     broker itself answers (credentials refused, a limit reached) ends it at once.
//   - The bodies of a delivery share pieces of memory of 32 KiB with those that came beside it: a record that is kept for long keeps
//     up to that much. Bodies over 8 KiB have memory of their own.
//   - The broker answers 530 alike to a virtual host that is missing, one that is forbidden, and one whose connections are used up: that is
//     ErrRefused. Refused credentials and a certificate that cannot be trusted are ErrPermission.
//   - Acknowledgements wait for others, up to a tenth of the prefetch or 5 ms. Close and Abort of a consumer tell those that wait.
//   - Rejecting a stream's record acknowledges it: the stream keeps it anyway, and basic.reject would end the connection.
//   - A record over the broker's limit (16 MiB, on old versions 128 MiB) ends its session with ErrRefused.
package rabbitmq
