package rabbitmq

import (
	"math/rand/v2"
	"time"
)

const (
	backoffFirst = 10 * time.Millisecond
	backoffLast  = time.Second
	// Where nobody listens, finding out costs nobody anything, and a broker that starts is to be found soon.
	backoffKnock = 100 * time.Millisecond
	// What the broker itself has refused is not tried again sooner.
	backoffRefused = time.Second
	// A connection that ends sooner counts as a failed attempt: a broker that accepts and closes must not be hammered.
	shortLife = time.Second
)

// backoff says how long to wait after a failed attempt: full jitter under a limit that doubles.
type backoff struct{ limit time.Duration }

func (b *backoff) reset() { b.limit = 0 }

// failed gives the pause before the next attempt.
func (b *backoff) failed(err error) time.Duration {
	most := backoffLast
	if nobody(err) {
		most = backoffKnock
	}
	b.limit = min(most, max(backoffFirst, 2*b.limit))
	pause := time.Millisecond + rand.N(b.limit)
	if _, told := dialKind(err); told {
		pause += backoffRefused
	}
	return pause
}
