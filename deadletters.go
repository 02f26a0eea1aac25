package weir

import (
	"context"
	"fmt"
	"sync"

	"github.com/d2e2d648/weir/actors"
	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/supervisor"
)

// deadLetters publishes a reader's records that cannot be decoded to the channel's queue for them, with a confirm: by a supervised writer of its own, opened for the first of them, and anew when
// it has failed.
type deadLetters struct {
	reader   *endpoint
	settings settings
	queue    string
	life     context.Context // ends when the reader closes: puts under way end with it
	end      context.CancelCauseFunc

	mu     sync.Mutex
	writer *Writer[[]byte]
	closed bool
}

func newDeadLetters(reader *endpoint, s *settings) *deadLetters {
	queue := s.Channel + ".dead"
	if s.Resources != nil && s.Resources.Dead != "" {
		queue = s.Resources.Dead
	}
	name := s.Name[:min(len(s.Name), maxNameBefore)] + "-dead-letters"
	d := &deadLetters{reader: reader, queue: queue}
	d.settings.Config = supervisor.Config{Channel: s.Channel, Name: name, NoStatus: true, GraceWindow: s.GraceWindow,
		Resources: &actors.Resources{Queue: queue, RoutingKey: queue}}
	d.settings.apply([]Option{LogLevel(s.level)})
	d.settings.logger = s.logger
	d.life, d.end = context.WithCancelCause(context.Background())
	return d
}

// maxNameBefore leaves room, within the longest name of an endpoint, for what tells the dead letters' writer from its reader.
const maxNameBefore = 180

// check says whether the queue is there, for a reader that does not create it.
func (d *deadLetters) check(ctx context.Context) error {
	lease := d.reader.rt.port.Lease(d.reader.channel + "/" + d.reader.name + "/dead-letters")
	defer lease.Abort()
	found := make(chan error, 1)
	lease.Do(broker.InspectQueue{Name: d.queue}, func(r broker.Result) { found <- r.Err })
	select {
	case err := <-found:
		if err == nil {
			return nil
		}
		return fmt.Errorf("open channel %s: the queue for dead letters, %s: %w (choose another OnUndecodable, or let a reader create it)", d.reader.channel, d.queue, err)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// put returns when the broker has confirmed the record, the context has ended, or the reader closes.
func (d *deadLetters) put(ctx context.Context, body []byte) error {
	either, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(d.life, func() { cancel(context.Cause(d.life)) })()
	w, err := d.open(either)
	if err != nil {
		return err
	}
	return w.Write(either, body)
}

// open gives the writer. Only whoever reads calls it, one at a time.
func (d *deadLetters) open(ctx context.Context) (*Writer[[]byte], error) {
	d.mu.Lock()
	w := d.writer
	d.mu.Unlock()
	if w != nil && w.Err() == nil && w.life.Err() == nil {
		return w, nil
	}
	if w != nil {
		d.reader.rt.system.Root.Stop(w.pid) // it has failed, and would stay so
	}
	e, err := d.reader.rt.openEndpoint(ctx, supervisor.WriterProps, &d.settings)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		d.reader.rt.system.Root.Stop(e.pid)
		return nil, ErrClosed
	}
	d.writer = newWriter(e, Raw(), &d.settings)
	return d.writer, nil
}

func (d *deadLetters) close(ctx context.Context) error {
	d.end(ErrClosed)
	d.mu.Lock()
	d.closed = true
	w := d.writer
	d.mu.Unlock()
	if w == nil || w.Err() != nil {
		return nil
	}
	return w.Close(ctx)
}
