package weir

import (
	"fmt"
	"runtime/debug"
	"sync/atomic"

	"github.com/d2e2d648/weir/messages"
)

// Payload is what a health check carries: its entries, in their order.
type Payload = messages.Payload

// Entry is one entry of a Payload. Value is anything that encoding/json can write.
type Entry = messages.Entry

// HookFailed is an event: the function of OnHealthCheck panicked. The health check went without its entries.
type HookFailed struct {
	messages.Head
	Err   error
	Stack []byte
}

// healthHook asks the user for entries, beside everything else: a user's code that hangs or panics harms nobody.
type healthHook struct {
	hook   func() Payload
	busy   atomic.Bool
	failed func(err error, stack []byte)
}

// ask is called by the supervisor. While the user has not answered the last time, they are not asked again.
func (h *healthHook) ask(done func(Payload)) {
	if !h.busy.CompareAndSwap(false, true) {
		return
	}
	go func() {
		defer h.busy.Store(false)
		defer func() {
			if r := recover(); r != nil {
				h.failed(fmt.Errorf("OnHealthCheck panicked: %v", r), debug.Stack())
				done(nil)
			}
		}()
		done(h.hook())
	}()
}
