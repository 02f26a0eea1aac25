package weir

import (
	"github.com/rs/zerolog"

	"github.com/d2e2d648/weir/messages"
)

// logEvent writes an event as a log line. What heals is a warning at most; a channel that fails is an error.
func logEvent(log *zerolog.Logger, event Event) {
	if log.GetLevel() == zerolog.Disabled {
		return
	}
	head := event.Of()
	line := func(level zerolog.Level) *zerolog.Event {
		return log.WithLevel(level).Str("channel", head.Channel).Str("endpoint", head.Name)
	}
	switch e := event.(type) {
	case *messages.StateChanged:
		line(zerolog.InfoLevel).Str("was", string(e.Was)).Msg("channel is " + string(e.Is))
	case *messages.ChildStarted:
		line(zerolog.DebugLevel).Str("child", string(e.Child)).Uint64("epoch", e.Epoch).Msg("child started")
	case *messages.ChildReady:
		line(zerolog.DebugLevel).Str("child", string(e.Child)).Uint64("epoch", e.Epoch).Dur("took", e.Took).Msg("child is ready")
	case *messages.ChildFailed:
		l := line(zerolog.WarnLevel).Str("child", string(e.Child)).Uint64("epoch", e.Epoch).Err(e.Err).Dur("retry", e.Retry).Dur("grace_used", e.Used)
		if e.Window != Forever {
			l = l.Dur("grace_window", e.Window)
		}
		if e.Stack != nil {
			l = l.Bytes("stack", e.Stack)
		}
		l.Msg("child failed and is replaced")
	case *messages.GraceOpened:
		line(zerolog.DebugLevel).Str("child", string(e.Child)).Msg("grace window opened")
	case *messages.GraceClosed:
		line(zerolog.InfoLevel).Str("child", string(e.Child)).Dur("grace_used", e.Used).Int("failures", e.Failures).Msg("child has recovered")
	case *messages.GraceRanOut:
		line(zerolog.ErrorLevel).Str("child", string(e.Child)).Int("failures", e.Failures).Msg("grace window ran out")
	case *messages.Abandoned:
		line(zerolog.ErrorLevel).Str("actor", e.Actor).Int("count", e.Count).Msg("a handler does not return: its goroutine is lost")
	case *messages.WaitsFor:
		line(zerolog.InfoLevel).AnErr("reason", e.Reason).Msg("not yet")
	case *messages.AlarmChanged:
		line(zerolog.WarnLevel).Bool("on", e.On).Msg("the broker's alarm changed: writers wait while it is on")
	case *messages.ConfirmsStalled:
		line(zerolog.WarnLevel).Time("since", e.Since).Msg("confirms stall")
	case *messages.PublishedAgain:
		line(zerolog.WarnLevel).Int("records", e.Records).AnErr("reason", e.Err).Msg("records were refused and are published again")
	case *messages.PeerChanged:
		line(zerolog.InfoLevel).Str("peer", e.Peer.Name).Str("state", string(e.Peer.State)).Msg("peer changed")
	case *messages.BadStatuses:
		line(zerolog.WarnLevel).Int("count", e.Count).AnErr("reason", e.Why).Msg("messages that are no status were skipped")
	case *messages.ChannelFailed:
		line(zerolog.ErrorLevel).Err(e.Err).Msg("channel failed")
	case *messages.UnhandledMessage:
		line(zerolog.ErrorLevel).Str("child", string(e.Child)).Type("message", e.Message).Msg("unhandled message")
	case *messages.StopHookFailed:
		line(zerolog.WarnLevel).Str("actor", e.Actor).Err(e.Err).Msg("a stop hook failed")
	case *Undecoded:
		line(zerolog.WarnLevel).Err(e.Err).Bool("dead_lettered", e.DeadLettered).Msg("a record could not be decoded")
	}
}
