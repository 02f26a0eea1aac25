package rabbit

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// What is asked of the broker by an expression. Each gives the time at which it struck: the tool itself takes a second.
const (
	// closeAll: the tool's command to close connections does not know those of streams.
	closeAll = `[exit(P, kill) || P <- pg_local:get_members(rabbit_stream_connections)], [rabbit_networking:close_connection(P, "an experiment says so") || P <- rabbit_networking:connections()]`
	// killQueue waits until there is a process: a broker that has just started answers before all queues have one.
	killQueue = `Name = rabbit_misc:r(<<"/">>, queue, <<"%s">>),
Has = fun() -> case rabbit_amqqueue:lookup(Name) of {ok, Q} -> case amqqueue:get_pid(Q) of {N, _} -> whereis(N); P -> P end; _ -> none end end,
Await = fun(F) -> case Has() of P when is_pid(P) -> P; _ -> timer:sleep(50), F(F) end end,
exit(Await(Await), kill)`
	changePassword = `ok = rabbit_auth_backend_internal:change_password(<<"guest">>, <<"%s">>, <<"an experiment">>)`
)

// CloseConnections has the broker close every connection, of AMQP and of streams, and says when it did.
func (n *Node) CloseConnections(ctx context.Context) (time.Time, error) {
	return n.strike(ctx, closeAll)
}

// KillQueue kills the process of a queue of the default virtual host, or of a stream's leader, and says when it did. The broker starts
// another.
func (n *Node) KillQueue(ctx context.Context, name string) (time.Time, error) {
	return n.strike(ctx, fmt.Sprintf(killQueue, name))
}

// Revoke changes the default user's password, closes every connection, and says when it did.
func (n *Node) Revoke(ctx context.Context, password string) (time.Time, error) {
	return n.strike(ctx, fmt.Sprintf(changePassword, password)+", "+closeAll)
}

func (n *Node) strike(ctx context.Context, expression string) (time.Time, error) {
	out, err := n.Ctl(ctx, "eval", expression+", erlang:system_time(microsecond).")
	if err != nil {
		return time.Time{}, err
	}
	at, err := strconv.ParseInt(strings.TrimSpace(out), 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("the broker's time: %w", err)
	}
	return time.UnixMicro(at), nil
}

// Alarm turns the alarm on or off that keeps the broker from taking records: of the memory, or of the disk, which is the only one that
// streams know. It says when it did.
func (n *Node) Alarm(ctx context.Context, streams, on bool) (time.Time, error) {
	expression := `ok = vm_memory_monitor:set_vm_memory_high_watermark(0.4)`
	switch {
	case streams && on:
		expression = `ok = rabbit_disk_monitor:set_disk_free_limit("100000GB")`
	case streams:
		expression = `ok = rabbit_disk_monitor:set_disk_free_limit("50MB")`
	case on:
		expression = `ok = vm_memory_monitor:set_vm_memory_high_watermark(0.00001)`
	}
	return n.strike(ctx, expression)
}
