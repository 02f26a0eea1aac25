// Package messages is the vocabulary: what the actors of a channel say to each other and to their user, and what endpoints say to
// their peers on the wire. One file holds one conversation and begins with its table.
//
// Messages are pointers and immutable once sent. Everything between a supervisor and an incarnation of a child carries the
// incarnation's epoch, so that what arrives late is known for what it is.
package messages
