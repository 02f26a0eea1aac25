package main

import (
	"context"
	"errors"
)

// weirHasStreams: channels do not use the stream plane yet.
const weirHasStreams = false

func openWeirStream(context.Context, *place) (ends, error) {
	return nil, errors.ErrUnsupported
}
