// Package ledger says what became of the records of a run: it keeps what writers attempted and were told, and what readers were handed and could commit, and computes from these notes alone what was lost,
// unexpected, duplicated, reordered, corrupted or said wrongly.
//
//	log.go     the notes, and how records say whose they are
//	check.go   what is wrong
package ledger
