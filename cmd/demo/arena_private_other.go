//go:build !linux

package main

import (
	"context"
	"errors"
)

// startPrivateArena says why there is none.
func startPrivateArena(context.Context, *console, *experimentCmd) (arena, error) {
	return nil, errors.New("a private broker can be started on Linux only: use --broker embedded, or your own with --broker amqp://…")
}
