package rabbitmq

// withFailureClose adds the capability authentication_failure_close to a connection.start-ok (10,11) of amqp091, which does not announce it. With
// it RabbitMQ answers refused credentials by a connection.close (403) at once; without, it closes the socket seconds later and
// without a word, which looks like a broker that is going down.
//
// The payload is: method, client properties (a table, among them the table "capabilities"), mechanism, response, locale.
func withFailureClose(f []byte) []byte {
	const prefix = frameStart + 4 + 4
	r := reader{b: f[frameStart : len(f)-1]}
	r.take(4)
	table := r.longstr()
	for t := (reader{b: table}); len(t.b) > 0; {
		key, kind, value := t.field()
		if t.bad {
			break
		}
		if kind != 'F' || string(key) != "capabilities" {
			continue
		}
		end := prefix + len(table) - len(t.b) // where the capabilities end
		entry := append(appendShortstr(nil, "authentication_failure_close"), 't', 1)
		out := append(append(append([]byte(nil), f[:end]...), entry...), f[end:]...)
		addTo := func(at int) { be.PutUint32(out[at:], be.Uint32(out[at:])+uint32(len(entry))) }
		addTo(3)                    // the frame
		addTo(prefix - 4)           // the client properties
		addTo(end - len(value) - 4) // the capabilities
		return out
	}
	return f
}
