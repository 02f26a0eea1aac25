package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/d2e2d648/weir"
	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/broker/rabbitmq"
	"github.com/d2e2d648/weir/broker/rabbitstream"
)

// envStreamURL names the environment variable with the URL of the broker's streams.
const envStreamURL = "WEIR_STREAM_URL"

const (
	planeQueue  = "queue"
	planeStream = "stream"
)

// planeFlags say what carries the records of a channel.
type planeFlags struct {
	Plane        string `enum:"queue,stream" default:"queue" placeholder:"PLANE" help:"What carries the records. queue: readers share them, and what is committed is gone. stream: a log that keeps them, and each reader gets all, from where it likes. All ends of a channel must agree on it. Default queue."`
	StreamBroker string `env:"WEIR_STREAM_URL" placeholder:"URL" help:"With --plane stream: where the broker's streams are, rabbitmq-stream://host:port, rabbitmq-stream+tls:// for TLS. User and password are those of --broker where this URL has none. Default: the hosts of --broker, at port 5552, with TLS 5551."`
}

func (f *planeFlags) onStream() bool { return f.Plane == planeStream }

// givenFlag is a flag that only one plane has, and whether it was used.
type givenFlag struct {
	name  string
	given bool
}

// check refuses what is for streams only on the plane of queues. The environment is for all commands, so a URL from there is none of a mistake.
func (f *planeFlags) check(streamsOnly ...givenFlag) error {
	if f.onStream() {
		return nil
	}
	given := f.StreamBroker != "" && f.StreamBroker != os.Getenv(envStreamURL)
	for _, flag := range append(streamsOnly, givenFlag{"--stream-broker", given}) {
		if flag.given {
			return fmt.Errorf("%s is for streams: add --plane stream, or leave it out", flag.name)
		}
	}
	return nil
}

// checkCompat refuses what pypz has not.
func (f *planeFlags) checkCompat(compat bool) error {
	if compat && f.onStream() {
		return errors.New("--compat with --plane stream: pypz knows queues only, leave one of them out")
	}
	return nil
}

// streams says how the broker's streams are reached.
func (f *brokerFlags) streams(amqp rabbitmq.Config) (rabbitstream.Config, error) {
	if f.StreamBroker == "" {
		return rabbitstream.FromAMQP(amqp), nil
	}
	c, err := rabbitstream.FromURL(f.StreamBroker)
	if err != nil {
		return c, usage("--stream-broker: %w", err)
	}
	switch {
	case c.VHost == "/":
		c.VHost = amqp.VHost
	case c.VHost != amqp.VHost:
		return c, usage("--stream-broker names the virtual host %s, --broker %s: all of a channel is in one", c.VHost, amqp.VHost)
	}
	c.Name = amqp.Name
	switch own := c.Credentials; {
	case own.User == "":
		c.Credentials, c.CredentialsFunc = amqp.Credentials, amqp.CredentialsFunc
	case own.Password.Reveal() == "":
		c.Credentials.Password = amqp.Credentials.Password
		return c, f.login(&c.Config)
	}
	return c, nil
}

const (
	// streamPatience is how long streams may take to be there when AMQP is: a node that starts opens its ports one after the other.
	streamPatience = 2 * time.Second
	// streamPause is between two tries.
	streamPause = 100 * time.Millisecond
)

// probeStreams says at once what a channel would try again and again.
func probeStreams(ctx context.Context, rt *weir.Runtime, config rabbitstream.Config) error {
	port, err := rabbitstream.New(config, rt.Port())
	if err != nil {
		return err
	}
	defer port.Close()
	where := strings.Join(config.Addresses, ", ")
	for began := time.Now(); ; {
		err := port.Probe(ctx)
		switch {
		case err == nil:
			return nil
		case !errors.Is(err, broker.ErrUnavailable):
			return fmt.Errorf("the broker's streams at %s: %w", where, err)
		case ctx.Err() != nil || time.Since(began) > streamPatience:
			return fmt.Errorf("the broker answers, but its streams at %s do not: %w. They take its plugin rabbitmq_stream (rabbitmq-plugins enable rabbitmq_stream); if they are elsewhere, say where with --stream-broker rabbitmq-stream://HOST:PORT", where, root(err))
		}
		select {
		case <-time.After(streamPause):
		case <-ctx.Done():
		}
	}
}

// root is the cause that no other is behind.
func root(err error) error {
	for {
		switch e := err.(type) { //nolint:errorlint // it is this error that is asked for the next one
		case interface{ Unwrap() error }:
			if e.Unwrap() == nil {
				return err
			}
			err = e.Unwrap()
		case interface{ Unwrap() []error }:
			all := e.Unwrap()
			err = all[len(all)-1]
		default:
			return err
		}
	}
}

// wrongPlane adds to an error what may be the matter: that a channel's ends do not agree.
func (f *planeFlags) wrongPlane(err error) error {
	if f.onStream() && errors.Is(err, broker.ErrWrongType) {
		return fmt.Errorf("%w (is the channel one of queues? Then leave out --plane stream)", err)
	}
	return err
}
