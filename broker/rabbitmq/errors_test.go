package rabbitmq

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/d2e2d648/weir/broker"
)

func TestChannelKind(t *testing.T) {
	for _, test := range []struct {
		code   uint16
		method uint32
		want   error
	}{
		{404, basicPublish, broker.ErrNotFound},
		{404, basicConsume, broker.ErrNotFound},
		{404, queueBind, broker.ErrNotFound},
		{403, basicPublish, broker.ErrPermission},
		{403, queueDeclare, broker.ErrPermission},
		{405, queueDeclare, broker.ErrInUse},
		{506, queueDeclare, broker.ErrRefused},
		{406, queueDeclare, broker.ErrWrongType},
		{406, exchangeDeclare, broker.ErrWrongType},
		{406, basicConsume, broker.ErrUnavailable}, // what cannot be told: see TestConsumeKind
		{406, queueDelete, broker.ErrInUse},
		{406, exchangeDelete, broker.ErrInUse},
		{406, basicPublish, broker.ErrRefused},
		{406, basicAck, broker.ErrUnavailable}, // an unknown tag
		{406, 0, broker.ErrUnavailable},        // a consumer that took too long
		{541, 0, broker.ErrUnavailable},
	} {
		if got := channelKind(&closeReason{test.code, "", test.method}); got != test.want {
			t.Errorf("%d to %d.%d is %v, want %v", test.code, test.method>>16, test.method&0xFFFF, got, test.want)
		}
	}
}

// Found by make chaos, seed 1049: RabbitMQ 3.10 was killed in a row, and a status consumer was there before its stream. It was told that its stream was something else, so the channel failed for good.
func TestConsumeKind(t *testing.T) {
	for text, want := range map[string]error{
		"PRECONDITION_FAILED - invalid arg 'x-stream-offset' for queue 'q' in vhost '/' of queue type rabbit_classic_queue": broker.ErrWrongType,
		"PRECONDITION_FAILED - queue 'queue 'q' in vhost '/'' does not have a replica on the local node":                    broker.ErrUnavailable,
		"PRECONDITION_FAILED - stream queue 'q' in vhost '/' does not have a running replica on the local node":             broker.ErrUnavailable, // 4.0
	} {
		if got := channelKind(&closeReason{406, text, basicConsume}); got != want {
			t.Errorf("%s is %v, want %v", text, got, want)
		}
	}
}

func TestDialKind(t *testing.T) {
	for _, test := range []struct {
		err  error
		want error
		told bool
	}{
		{&amqp.Error{Code: 403, Server: true}, broker.ErrPermission, true},
		{&amqp.Error{Code: 530, Server: true}, broker.ErrRefused, true},
		{&amqp.Error{Code: 320, Server: true}, broker.ErrUnavailable, false},
		{&amqp.Error{Code: 541, Server: true}, broker.ErrUnavailable, false},
		{amqp.ErrCredentials, broker.ErrUnavailable, false}, // amqp091's own guess
		{io.EOF, broker.ErrUnavailable, false},
		{fmt.Errorf("TLS: %w", &tls.CertificateVerificationError{Err: errors.New("unknown authority")}), broker.ErrPermission, true},
		{fmt.Errorf("ask for credentials: %w", broker.ErrPermission), broker.ErrPermission, true},
		{fmt.Errorf("ask for credentials: %w", io.EOF), broker.ErrUnavailable, false},
	} {
		if got, told := dialKind(failure("connect", test.want, test.err)); got != test.want || told != test.told {
			t.Errorf("%v is %v, %v", test.err, got, told)
		}
	}
}

func TestFailure(t *testing.T) {
	cause := &closeReason{404, "NOT_FOUND - no queue 'q'", basicConsume}
	err := failure(`consume queue "q"`, broker.ErrNotFound, cause)
	if want := `consume queue "q": not found: 404 NOT_FOUND - no queue 'q' (method 60.20)`; err.Error() != want {
		t.Errorf("%q, want %q", err, want)
	}
	if !errors.Is(err, broker.ErrNotFound) || !errors.As(err, new(*closeReason)) {
		t.Error("the kind or the cause is lost")
	}
	if got := failure("x", broker.ErrUnavailable, err); got.Error() != "x: broker unavailable: "+err.Error() {
		t.Error(got)
	}
	if got := failure("x", broker.ErrNotFound, err); got.Error() != "x: "+err.Error() {
		t.Error(got)
	}
	if got := failure("x", broker.ErrClosed, nil); got.Error() != "x: closed" || kindOf(got) != broker.ErrClosed {
		t.Error(got)
	}
	if got := lost("h:5672", &closeReason{320, "CONNECTION_FORCED", 0}); !errors.Is(got, broker.ErrUnavailable) {
		t.Error(got)
	}
}

func TestBackoff(t *testing.T) {
	var b backoff
	for range 50 {
		before := b.limit
		if pause := b.failed(io.EOF); pause < time.Millisecond || pause > b.limit+time.Millisecond || b.limit > backoffLast || b.limit < before {
			t.Fatalf("a pause of %v under %v", pause, b.limit)
		}
	}
	if b.limit != backoffLast {
		t.Errorf("the limit is %v after many attempts", b.limit)
	}
	if pause := b.failed(&amqp.Error{Code: codeNotAllowed, Server: true}); pause < backoffRefused {
		t.Errorf("%v after a refusal", pause)
	}
	if b.reset(); b.failed(io.EOF) > 2*backoffFirst {
		t.Error("reset has no effect")
	}
	refused := &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	for range 50 {
		if pause := b.failed(refused); pause > backoffKnock+time.Millisecond {
			t.Fatalf("%v until it is looked again whether somebody listens", pause)
		}
	}
}
