package rabbitmq

import (
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/d2e2d648/weir/broker"
)

// closeReason is what a channel.close (20,40) or connection.close (10,50) says: why, and at which method.
type closeReason struct {
	code   uint16
	text   string
	method uint32 // class<<16 | method, 0 when the close answers no method
}

func (c *closeReason) Error() string {
	if c.method == 0 {
		return fmt.Sprintf("%d %s", c.code, c.text)
	}
	return fmt.Sprintf("%d %s (method %d.%d)", c.code, c.text, c.method>>16, c.method&0xFFFF)
}

// Reply codes of AMQP 0-9-1 that say more than that a channel or connection is gone.
const (
	codeConnectionForced   = 320
	codeAccessRefused      = 403
	codeNotFound           = 404
	codeResourceLocked     = 405
	codePreconditionFailed = 406
	codeResourceError      = 506
	codeNotAllowed         = 530
	codeNotImplemented     = 540
)

// channelKind classifies why the broker closed a channel, by code and method: texts differ from version to version. There is one exception, see consumeKind.
func channelKind(c *closeReason) error {
	switch c.code {
	case codeNotFound:
		return broker.ErrNotFound
	case codeAccessRefused:
		return broker.ErrPermission
	case codeResourceLocked:
		return broker.ErrInUse
	case codeResourceError:
		return broker.ErrRefused
	case codePreconditionFailed:
		return preconditionKind(c)
	}
	return broker.ErrUnavailable
}

// preconditionKind: 406 is the broker's answer to very different things.
func preconditionKind(c *closeReason) error {
	switch c.method {
	case exchangeDeclare, queueDeclare: // another type, other arguments
		return broker.ErrWrongType
	case basicConsume:
		return consumeKind(c.text)
	case exchangeDelete, queueDelete:
		return broker.ErrInUse
	case basicPublish: // larger than the broker's limit
		return broker.ErrRefused
	}
	return broker.ErrUnavailable // an unknown tag, a consumer that took too long: another session may do
}

// consumeKind tells an offset on what is no stream, which the broker calls by the argument's name, from a stream that cannot be read yet: RabbitMQ 3.10 gives the same code while a stream's process has not started again,
// also on the only node that there is. What cannot be told is tried again.
func consumeKind(text string) error {
	if strings.Contains(text, offsetArgument) {
		return broker.ErrWrongType
	}
	return broker.ErrUnavailable
}

// dialKind classifies why no connection came about. told says that it is the broker's own answer, which another attempt will hardly change.
func dialKind(err error) (kind error, told bool) {
	var certificate *tls.CertificateVerificationError
	var answer *amqp.Error
	switch {
	case errors.As(err, &certificate):
		return broker.ErrPermission, true
	case errors.Is(err, broker.ErrPermission): // the source of the credentials says so
		return broker.ErrPermission, true
	case !errors.As(err, &answer) || !answer.Server:
		// amqp091 makes "credentials refused" of a socket that closes during the login; a broker that stops does that, too
		return broker.ErrUnavailable, false
	case answer.Code == codeAccessRefused:
		return broker.ErrPermission, true
	case answer.Code == codeNotAllowed:
		// no such virtual host, no access to it, or its limit of connections is reached: the code is the same, so it may pass
		return broker.ErrRefused, true
	}
	return broker.ErrUnavailable, false
}

// nobody says that nobody listens at the address.
func nobody(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }

// requestKind classifies the error of one of amqp091's calls that is about one method.
func requestKind(err error, method uint32) error {
	var answer *amqp.Error
	if errors.As(err, &answer) && answer.Server {
		return channelKind(&closeReason{uint16(answer.Code), answer.Reason, method})
	}
	return broker.ErrUnavailable
}

// kindOf finds the kind of an error that has one.
func kindOf(err error) error {
	for _, kind := range []error{broker.ErrPermission, broker.ErrWrongType, broker.ErrRefused, broker.ErrNotFound, broker.ErrClosed} {
		if errors.Is(err, kind) {
			return kind
		}
	}
	return broker.ErrUnavailable
}

// failure says what was asked of which resource, of which kind the error is, and its cause.
func failure(what string, kind, cause error) error {
	if cause == nil || errors.Is(cause, kind) {
		return fmt.Errorf("%s: %w", what, orElse(cause, kind))
	}
	return fmt.Errorf("%s: %w: %w", what, kind, cause)
}

// lost is why the connection's sessions end.
func lost(address string, cause error) error {
	what := "connection to " + address
	var close *closeReason
	switch {
	case errors.Is(cause, broker.ErrClosed):
		return failure(what, broker.ErrClosed, cause)
	case errors.As(cause, &close):
		return failure(what+" closed by the broker", broker.ErrUnavailable, cause)
	}
	return failure(what+" lost", broker.ErrUnavailable, cause)
}

func timedOut(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

func misuse(what, format string, args ...any) error {
	return failure(what, broker.ErrMisuse, fmt.Errorf(format, args...))
}
