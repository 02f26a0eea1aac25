package weir

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/rs/zerolog"

	"github.com/d2e2d648/weir/messages"
)

// logOf gives an endpoint's logger. Its lines say which endpoint they are of.
func (rt *Runtime) logOf(s *settings) zerolog.Logger {
	log := rt.log
	if s.logger != nil {
		log = *s.logger
	}
	return log.Level(max(log.GetLevel(), s.level)).With().Str("channel", s.Channel).Str("endpoint", s.Name).Logger()
}

// publish logs an event and hands it to whoever subscribes.
func (e *endpoint) publish(event Event) {
	logEvent(&e.log, event)
	e.rt.hub.publish(event)
}

// logEvent writes an event as a log line. What heals is a warning at most; a channel that fails is an error. Where the level is off the logger gives a nil line, on which nothing costs anything:
// so nothing may be computed for it beforehand.
func logEvent(log *zerolog.Logger, event Event) {
	switch e := event.(type) {
	case *messages.StateChanged:
		log.Info().Str("was", string(e.Was)).MsgFunc(func() string { return "channel is " + string(e.Is) })
	case *messages.ChildStarted:
		ofChild(log.Debug(), e.From).Msg("child started")
	case *messages.ChildReady:
		ofChild(log.Debug(), e.From).Dur("took", e.Took).Msg("child is ready")
	case *messages.ChildRenewed:
		ofChild(log.Debug(), e.From).Msg("child was idle, and is renewed")
	case *messages.ChildFailed:
		logFailure(log.Warn(), e)
	case *messages.GraceOpened:
		log.Debug().Str("actor", string(e.Child)).Msg("grace window opened")
	case *messages.GraceClosed:
		log.Info().Str("actor", string(e.Child)).Dur("grace_used", e.Used).Int("failures", e.Failures).Msg("child has recovered")
	case *messages.GraceRanOut:
		log.Error().Str("actor", string(e.Child)).Int("failures", e.Failures).Msg("grace window ran out")
	case *messages.Abandoned:
		ofActor(log.Error(), e.Actor).Int("count", e.Count).Msg("a handler does not return: its goroutine is lost")
	case *messages.WaitsFor:
		ofChild(log.Info(), e.From).AnErr("reason", e.Reason).Msg("not yet")
	case *messages.AlarmChanged:
		ofChild(log.Warn(), e.From).Bool("on", e.On).Msg("the broker's alarm changed: writers wait while it is on")
	case *messages.ConfirmsStalled:
		ofChild(log.Warn(), e.From).Time("since", e.Since).Msg("confirms stall")
	case *messages.PublishedAgain:
		log.Warn().Int("records", e.Records).AnErr("reason", e.Err).Msg("records were refused and are published again")
	case *messages.ChannelFailed:
		log.Error().Err(e.Err).Msg("channel failed")
	case *messages.UnhandledMessage:
		ofChild(log.Error(), e.From).Type("type", e.Message).Msg("unhandled message")
	case *messages.StopHookFailed:
		ofActor(log.Warn(), e.Actor).Err(e.Err).Msg("a stop hook failed")
	case *messages.QueueNotEmpty:
		log.Error().Str("queue", e.Queue).Int("records", e.Ready).Msg("a queue is deleted with records in it")
	case *messages.CommitIgnored:
		log.Warn().Uint64("count", e.Count).Uint64("committed", e.Committed).Msg("a commit of less than is committed was ignored")
	case *Undecoded:
		log.Warn().Err(e.Err).Bool("dead_lettered", e.DeadLettered).Msg("a record could not be decoded")
	default:
		logStatus(log, event)
	}
}

// logStatus writes what has to do with peers and statuses.
func logStatus(log *zerolog.Logger, event Event) {
	switch e := event.(type) {
	case *messages.PeerAppeared:
		ofPeer(log.Info(), &e.Peer).Bool("heard", e.Peer.Heard).Msg("peer appeared")
	case *messages.PeerChanged:
		ofPeer(log.Info(), &e.Peer).Msg("peer changed")
	case *messages.StatusReceived:
		log.Trace().Str("peer", e.Peer.Name).Str("status", string(e.Status.Kind)).Bool("history", e.History).Msg("status received")
	case *messages.StatusLate:
		log.Warn().Str("peer", e.Peer).Dur("by", e.By).Msg("a status is older than one that came before")
	case *messages.BadStatuses:
		log.Warn().Int("count", e.Count).AnErr("reason", e.Why).Msg("messages that are no status were skipped")
	case *messages.HealthEntryDropped:
		log.Warn().Str("key", e.Key).Err(e.Err).Msg("an entry was left out of a health check")
	case *HookFailed:
		log.Warn().Err(e.Err).Bytes("stack", e.Stack).Msg("the hook for health checks failed")
	}
}

func logFailure(line *zerolog.Event, e *messages.ChildFailed) {
	line = ofChild(line, e.From).Err(e.Err).Dur("retry", e.Retry).Dur("grace_used", e.Used)
	if e.Window != Forever {
		line = line.Dur("grace_window", e.Window)
	}
	if e.Stack != nil {
		line = line.Bytes("stack", e.Stack)
	}
	line.Msg("child failed and is replaced")
}

// ofChild says which incarnation; of what no child did it is the supervisor.
func ofChild(line *zerolog.Event, from messages.From) *zerolog.Event {
	if from.Child == "" {
		return line.Str("actor", "supervisor")
	}
	return line.Str("actor", string(from.Child)).Uint64("epoch", from.Epoch)
}

// ofActor says the same from an actor's id, such as weir/…/data-consumer-7.
func ofActor(line *zerolog.Event, id string) *zerolog.Event {
	if line == nil {
		return nil
	}
	name := id[strings.LastIndexByte(id, '/')+1:]
	if i := strings.LastIndexByte(name, '-'); i > 0 {
		if epoch, err := strconv.ParseUint(name[i+1:], 10, 64); err == nil {
			return line.Str("actor", name[:i]).Uint64("epoch", epoch)
		}
	}
	return line.Str("actor", id)
}

func ofPeer(line *zerolog.Event, peer *Peer) *zerolog.Event {
	return line.Str("peer", peer.Name).Str("side", string(peer.Side)).Str("state", string(peer.State))
}

// systemLog is protoactor's own log. What it says for information is a detail here (dead letters are no incident: what was sent to an incarnation that has gone is dropped), so it is logged one level
// below. Of messages and the like only the type is written: they hold records, and may be changed meanwhile.
type systemLog struct{ slog.Handler }

func newSystemLog(log *zerolog.Logger) slog.Handler {
	return systemLog{zerolog.NewSlogHandler(log.With().Str("component", "protoactor").Logger())}
}

func below(level slog.Level) slog.Level {
	if level <= slog.LevelInfo {
		return level - (slog.LevelInfo - slog.LevelDebug)
	}
	return level
}

// Enabled implements slog.Handler.
func (h systemLog) Enabled(ctx context.Context, level slog.Level) bool {
	return h.Handler.Enabled(ctx, below(level))
}

// Handle implements slog.Handler.
func (h systemLog) Handle(ctx context.Context, record slog.Record) error {
	out := slog.NewRecord(time.Time{}, below(record.Level), record.Message, record.PC) // whether lines have a time is the logger's
	record.Attrs(func(a slog.Attr) bool {
		out.AddAttrs(plainAttr(a))
		return true
	})
	return h.Handler.Handle(ctx, out)
}

// WithAttrs implements slog.Handler.
func (h systemLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	out := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		out[i] = plainAttr(a)
	}
	return systemLog{h.Handler.WithAttrs(out)}
}

// WithGroup implements slog.Handler.
func (h systemLog) WithGroup(name string) slog.Handler { return systemLog{h.Handler.WithGroup(name)} }

// plainAttr leaves of a value only what it is. A message goes under another key: message is that of the line's own text.
func plainAttr(a slog.Attr) slog.Attr {
	if a.Key != "message" && a.Value.Kind() != slog.KindAny {
		return a
	}
	switch value := a.Value.Any().(type) {
	case *actor.PID:
		if value == nil {
			return slog.Attr{}
		}
		return slog.String(a.Key, value.Id)
	case error:
		return a
	default:
		return slog.String(a.Key+"_type", fmt.Sprintf("%T", value))
	}
}
