// Package process tests what befalls a whole process that uses weir, on RabbitMQ: it is killed while records are under way, told to end, runs out of file descriptors, or gets a flood with little
// memory. The process is a child, this package's own test binary, which says what it does in lines before or after each step, so that nothing that matters is lost with it; who judges is the parent, by
// package ledger.
//
//	child_test.go         the child: what it is told, what it says, how it writes, reads and ends
//	flood_test.go         what a child does with a flood
//	life_test.go          one life of a child, as its parent sees it
//	scene_test.go         a channel, the parent's own end of it, and the ledger
//	crash_test.go         SIGKILL between publish and confirm, between delivery and commit
//	terminate_test.go     SIGTERM, also on a broker that is frozen
//	demo_test.go          SIGTERM to the demo
//	descriptors_linux_test.go   no file descriptor is to be had while connections are lost
//	memory_linux_test.go        a flood, and a small memory
package process
