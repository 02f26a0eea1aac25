package rabbitstream

import (
	"crypto/tls"
	"errors"
	"fmt"

	"github.com/d2e2d648/weir/broker"
)

// refusal is an answer of the broker that is no yes.
type refusal struct {
	code uint16
	to   string
}

func (r *refusal) Error() string { return fmt.Sprintf("%s was answered by code %d", r.to, r.code) }

// codeKind classifies response codes.
func codeKind(code uint16) error {
	switch code {
	case codeNoStream:
		return broker.ErrNotFound
	case codeAuthentication, codeLoopback, codeAccess:
		return broker.ErrPermission
	case codeVHost, // no such virtual host, or no access to it; as over AMQP it may pass
		codePrecondition: // the name is in use on this connection
		return broker.ErrRefused
	}
	return broker.ErrUnavailable
}

// errorKind classifies why something came to nothing. told says that it is the broker's own answer: the connection is as good as before, and another address will hardly
// change it.
func errorKind(err error) (kind error, told bool) {
	var certificate *tls.CertificateVerificationError
	var answer *refusal
	switch {
	case errors.As(err, &certificate), errors.Is(err, broker.ErrPermission):
		return broker.ErrPermission, true
	case errors.As(err, &answer):
		return codeKind(answer.code), true
	case errors.Is(err, broker.ErrClosed):
		return broker.ErrClosed, false
	}
	return broker.ErrUnavailable, false
}

var errNoLeader = errors.New("the stream has no leader")

// unready says that the broker knows of the stream, and cannot serve it now: it has just started, or another node is to lead the stream.
func unready(err error) bool {
	var answer *refusal
	return errors.As(err, &answer) && answer.code == codeUnavailable || errors.Is(err, errNoLeader)
}

// kindOf finds the kind of an error that has one already.
func kindOf(err error) error {
	for _, kind := range []error{broker.ErrPermission, broker.ErrWrongType, broker.ErrRefused, broker.ErrNotFound, broker.ErrClosed, broker.ErrUnavailable, broker.ErrMisuse} {
		if errors.Is(err, kind) {
			return kind
		}
	}
	return nil
}

// failure says what was asked of which resource, of which kind the error is, and its cause.
func failure(what string, kind, cause error) error {
	switch {
	case cause == nil:
		return fmt.Errorf("%s: %w", what, kind)
	case errors.Is(cause, kind):
		return fmt.Errorf("%s: %w", what, cause)
	}
	return fmt.Errorf("%s: %w: %w", what, kind, cause)
}

func misuse(what, format string, args ...any) error {
	return failure(what, broker.ErrMisuse, fmt.Errorf(format, args...))
}
