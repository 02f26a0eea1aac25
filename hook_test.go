package weir_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/d2e2d648/weir"
	"github.com/d2e2d648/weir/messages"
)

func TestEntriesOfTheUserInHealthChecks(t *testing.T) {
	eachBroker(t, func(ctx context.Context, t *testing.T, rt *weir.Runtime, channel string) {
		r := reader(ctx, t, rt, channel, "r", weir.OnHealthCheck(func() weir.Payload {
			return weir.Payload{{Key: "depth", Value: 7}, {Key: "who", Value: map[string]string{"host": "a<b"}}, {Key: messages.ReceivedRecordCount, Value: -1}, {Key: "bad", Value: func() {}}}
		}))
		events := r.Subscribe()
		defer events.Close()
		w := writer(ctx, t, rt, channel, "w")
		ok(t, w.Write(ctx, "a"))
		read(ctx, t, r, 1)
		peers := until(ctx, t, w, "the entries come", func(p weir.Peers) bool {
			if p.Count() != 1 {
				return false
			}
			_, has := p.All[0].Payload.Get("depth")
			return has && p.All[0].Records == 1
		})
		payload := peers.All[0].Payload
		if depth, _ := payload.Get("depth"); depth != json.Number("7") {
			t.Errorf("depth is %v", depth)
		}
		if who, _ := payload.Get("who"); who.(map[string]any)["host"] != "a<b" {
			t.Errorf("who is %v", who)
		}
		dropped := map[string]bool{}
		for !dropped["bad"] || !dropped[messages.ReceivedRecordCount] {
			event, err := events.Next(ctx)
			ok(t, err)
			if d, is := event.(*messages.HealthEntryDropped); is {
				dropped[d.Key] = true
			}
		}
	})
}

// A hook that panics or hangs harms nobody.
func TestHookThatPanicsOrHangs(t *testing.T) {
	ctx, rt := start(t)
	r := reader(ctx, t, rt, "c", "panics", weir.OnHealthCheck(func() weir.Payload { panic("ouch") }))
	failed := r.Subscribe()
	defer failed.Close()
	release := make(chan struct{})
	defer close(release)
	w := writer(ctx, t, rt, "c", "hangs", weir.OnHealthCheck(func() weir.Payload {
		<-release
		return nil
	}))
	for {
		event, err := failed.Next(ctx)
		ok(t, err)
		if _, is := event.(*weir.HookFailed); is {
			break
		}
	}
	first := until(ctx, t, r, "it is heard", weir.Peers.AnyHealthy).All[0].Times.At(messages.StatusHealthCheck)
	until(ctx, t, r, "it is heard again", func(p weir.Peers) bool { return p.All[0].Times.At(messages.StatusHealthCheck) > first })
	first = until(ctx, t, w, "the other is heard", weir.Peers.AnyHealthy).All[0].Times.At(messages.StatusHealthCheck)
	until(ctx, t, w, "it is heard again", func(p weir.Peers) bool { return p.All[0].Times.At(messages.StatusHealthCheck) > first })
	ok(t, w.Write(ctx, "a"))
	read(ctx, t, r, 1)
}
