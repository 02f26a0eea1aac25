package weir

import (
	"context"
	"errors"
	"time"

	"github.com/d2e2d648/weir/messages"
)

// Peers is what an endpoint knows of the others at one moment, see Peers of an endpoint.
type Peers = messages.Peers

// Peer is one of them.
type Peer = messages.Peer

// PeerFilter chooses peers, see Peers.Where. Package messages has more of them.
type PeerFilter = messages.PeerFilter

// InState chooses the peers in one of the states.
func InState(states ...messages.Kind) PeerFilter { return messages.InState(states...) }

// opening gives the context that opening has.
func (s *settings) opening(ctx context.Context) (context.Context, context.CancelFunc) {
	if s.openTimeout > 0 {
		return context.WithTimeout(ctx, s.openTimeout)
	}
	return ctx, func() {}
}

// openPort opens an endpoint, and waits for its peers as the options say. When it fails, nothing of it remains, and peers that saw it are told.
// opened is called when it is open, before it waits.
func (rt *Runtime) openPort(ctx context.Context, props propsFunc, s *settings, opened func(*endpoint)) (*endpoint, error) {
	opening, cancel := s.opening(ctx)
	defer cancel()
	e, err := rt.openEndpoint(opening, props, s)
	if err != nil {
		return nil, err
	}
	opened(e)
	if err := e.awaitExpected(ctx, opening, s); err != nil {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeAfterFailedOpen)
		defer cancel()
		return nil, errors.Join(err, e.close(closing, &messages.Close{}))
	}
	return e, nil
}

// awaitExpected waits for the peers that are expected. Sequential waits for as long as the caller does.
func (e *endpoint) awaitExpected(ctx, opening context.Context, s *settings) error {
	if s.Expected > 0 {
		count := 1
		if s.synchronous {
			count = s.Expected
		}
		if err := e.awaitPeers(opening, messages.PeersSeen, count); err != nil {
			return err
		}
	}
	if s.sequential {
		return e.awaitPeers(ctx, messages.PeersFinished, max(1, s.Expected))
	}
	return nil
}

// closeAfterFailedOpen is how long an endpoint that could not be opened has to tell its peers.
const closeAfterFailedOpen = 2 * time.Second
