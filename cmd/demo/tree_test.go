package main

import (
	"errors"
	"strings"
	"testing"

	"github.com/d2e2d648/weir/messages"
)

func TestTopologyThatHasFailedAndDoneItsWorkIsNotMissed(t *testing.T) {
	tree := newTree(func() {})
	head := messages.Head{Channel: "c", Name: "reader-1"}
	part := func(child messages.Child, epoch uint64) messages.From {
		return messages.From{Child: child, Epoch: epoch}
	}
	tree.take(&messages.ChildStarted{Head: head, From: part(messages.Topology, 2)})
	tree.take(&messages.ChildFailed{Head: head, From: part(messages.Topology, 2), Err: errors.New("down")})
	tree.take(&messages.ChildStarted{Head: head, From: part(messages.DataConsumer, 1)})
	if text := tree.ailing(); !strings.Contains(text, "topology of reader-1: back-off") || !strings.Contains(text, "data-consumer of reader-1: starting") {
		t.Error(text)
	}
	tree.take(&messages.ChildReady{Head: head, From: part(messages.DataConsumer, 1)})
	tree.take(&messages.ChildStarted{Head: head, From: part(messages.Topology, 3)})
	tree.take(&messages.ChildReady{Head: head, From: part(messages.Topology, 3)})
	tree.take(&messages.GraceClosed{Head: head, Child: messages.Topology})
	if !tree.healed("") || tree.ailing() != "" {
		t.Error(tree.ailing())
	}
}
