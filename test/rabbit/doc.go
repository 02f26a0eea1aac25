// Package rabbit runs private RabbitMQ nodes: for tests, for benchmarks, and to
// try things by hand. It never uses a broker that it did not start itself.
//
//	node, err := rabbit.Start(ctx, rabbit.Options{Version: rabbit.V4_0})
//	if err != nil { … }
//	defer node.Close()
//	conn, err := amqp.Dial(node.URL())
//
// # Where a broker comes from
//
// Each version is a small Debian tree of its own, built once by mmdebstrap from
// the machine's own apt mirror and kept in a cache folder ([Tree]). Nothing is
// installed as a service, and a tree is never written to after it was built.
//
// # What a node is
//
// A node is two processes, the Erlang VM and an epmd of its own, on four
// loopback ports that a lock file keeps for it ([Options], slot.go). Each of
// the two is the first process of a PID namespace and of a mount namespace:
//
//	owner (the test process)
//	  ├─ epmd                 namespaces of its own, chroot in the tree
//	  └─ beam.smp             namespaces of its own, chroot in the tree
//	       └─ erl_child_setup, inet_gethost, …   die with beam.smp
//
// So the mounts that it needs exist in its own view only, and when it ends,
// however it ends, the kernel ends everything it has started. The owner's death
// is a SIGKILL to both. No node outlives its owner, and no mount its node.
//
// Only Linux with Debian's packages can do this, and only root or a user who
// may make user namespaces; everybody else gets one sentence that says so.
package rabbit
