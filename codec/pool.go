package codec

import "sync"

// pool keeps what a call worked with for the next one. It is the room's one use of sync, and nobody waits for another in
// it: who finds it empty makes his own. What is in it the garbage collector takes when it is not used.
type pool struct{ free sync.Pool }

func (p *pool) get() any { return p.free.Get() }

func (p *pool) put(s any) { p.free.Put(s) }
