package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/d2e2d648/weir"
	"github.com/d2e2d648/weir/broker/rabbitmq"
	"github.com/d2e2d648/weir/broker/rabbitstream"
)

// envPassword names the environment variable with the password. A password in --broker would show in the list of processes.
const envPassword = "WEIR_PASSWORD"

const embeddedBroker = "embedded"

// brokerFlags are the flags that all commands have.
type brokerFlags struct {
	Broker       string `env:"WEIR_URL" placeholder:"URL" help:"The broker: amqp://user@host:port/vhost, amqps:// for TLS, several hosts separated by commas; or 'embedded', which lives in this process ('run' and 'experiment' only, their default where WEIR_URL is not set); 'experiment' also knows 'private'. The password may come from the environment variable WEIR_PASSWORD or from --password-file instead of the URL, which other users of the machine can see."`
	PasswordFile string `type:"existingfile" placeholder:"FILE" help:"A file whose first line is the password. It is read again at each connection. Goes before WEIR_PASSWORD, and that before the URL's."`
	planeFlags
	Log string `enum:"off,trace,debug,info,warn,error" default:"off" placeholder:"LEVEL" help:"Log what happens to the channel on standard error: trace, debug, info, warn, error."`
}

// refuseEmbedded explains why a command that is one end of a channel needs a broker of its own.
func (f *brokerFlags) refuseEmbedded() error {
	switch f.Broker {
	case embeddedBroker:
		return errors.New("the embedded broker lives in one process and ends with it, so nobody else could see what is written or read there: " +
			"name a RabbitMQ broker with --broker amqp://…, or try both ends in one process with 'demo run'")
	case "":
		return errors.New("which broker? Name it with --broker amqp://user@host:port/vhost or in the environment variable WEIR_URL")
	}
	return nil
}

// config reads the URL and finds the password.
func (f *brokerFlags) config() (rabbitmq.Config, error) {
	config, err := rabbitmq.FromURL(f.Broker)
	if err != nil {
		return config, usageError{err}
	}
	config.Name = "weir demo"
	return config, f.login(&config)
}

// login puts the password in that is elsewhere than in the URL.
func (f *brokerFlags) login(config *rabbitmq.Config) error {
	user := config.Credentials.User
	if user == "" {
		user = "guest"
	}
	switch password, set := os.LookupEnv(envPassword); {
	case f.PasswordFile != "":
		if _, err := readPassword(f.PasswordFile); err != nil {
			return usageError{err}
		}
		config.Credentials = rabbitmq.Credentials{}
		config.CredentialsFunc = func(context.Context) (rabbitmq.Credentials, error) {
			secret, err := readPassword(f.PasswordFile)
			return rabbitmq.Credentials{User: user, Password: secret}, err
		}
	case set:
		config.Credentials = rabbitmq.Credentials{User: user, Password: rabbitmq.NewSecret(password)}
	}
	return nil
}

func readPassword(file string) (rabbitmq.Secret, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return rabbitmq.Secret{}, fmt.Errorf("read the password: %w", err)
	}
	first, _, _ := strings.Cut(string(data), "\n")
	first = strings.TrimSuffix(first, "\r")
	if first == "" {
		return rabbitmq.Secret{}, fmt.Errorf("read the password: the first line of %s is empty", file)
	}
	return rabbitmq.NewSecret(first), nil
}

func (f *brokerFlags) embedded() bool { return f.Broker == "" || f.Broker == embeddedBroker }

// open connects to the broker and, where the records go by a stream, to its streams, within timeout.
func (f *brokerFlags) open(ctx context.Context, c *console, timeout time.Duration, opts ...weir.RuntimeOption) (*weir.Runtime, error) {
	if f.embedded() {
		return weir.Embedded(append(opts, f.log(c)...)...), nil
	}
	config, streams, err := f.configs()
	if err != nil {
		return nil, err
	}
	return f.openAt(ctx, c, timeout, config, streams, opts...)
}

// configs say how the broker is reached, and its streams: nil where the records go by none.
func (f *brokerFlags) configs() (amqp rabbitmq.Config, streams *rabbitstream.Config, err error) {
	if amqp, err = f.config(); err != nil || !f.onStream() {
		return amqp, nil, err
	}
	s, err := f.streams(amqp)
	return amqp, &s, err
}

// openAt is open where the configuration is known.
func (f *brokerFlags) openAt(ctx context.Context, c *console, timeout time.Duration, config rabbitmq.Config, streams *rabbitstream.Config, opts ...weir.RuntimeOption) (*weir.Runtime, error) {
	if streams == nil {
		return f.openConfig(ctx, c, timeout, config, opts...)
	}
	rt, err := f.openConfig(ctx, c, timeout, config, append(opts, weir.StreamsAt(*streams))...)
	if err != nil {
		return nil, err
	}
	probing, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("no answer within %v", timeout))
	defer cancel()
	if err := probeStreams(probing, rt, *streams); err != nil {
		return nil, errors.Join(err, rt.Close(ctx))
	}
	return rt, nil
}

// openAMQP is enough for who moves no records.
func (f *brokerFlags) openAMQP(ctx context.Context, c *console, timeout time.Duration, opts ...weir.RuntimeOption) (*weir.Runtime, error) {
	config, err := f.config()
	if err != nil {
		return nil, err
	}
	return f.openConfig(ctx, c, timeout, config, opts...)
}

func (f *brokerFlags) openConfig(ctx context.Context, c *console, timeout time.Duration, config rabbitmq.Config, opts ...weir.RuntimeOption) (*weir.Runtime, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	rt, err := weir.OpenConfig(ctx, config, append(opts, f.log(c)...)...)
	if errors.Is(err, context.DeadlineExceeded) {
		return nil, fmt.Errorf("the broker at %s did not answer within %v: is it running, and is that its address? %w", strings.Join(config.Addresses, ", "), timeout, err)
	}
	if err != nil {
		return nil, fmt.Errorf("the broker at %s: %w", strings.Join(config.Addresses, ", "), err)
	}
	return rt, nil
}

// log is the option that --log asks for, if it does.
func (f *brokerFlags) log(c *console) []weir.RuntimeOption {
	if f.Log == "off" {
		return nil
	}
	level, _ := zerolog.ParseLevel(f.Log) // kong has checked it
	return []weir.RuntimeOption{weir.WithLog(newLog(c.err, !c.errIsTTY).Level(level))}
}

func newLog(out io.Writer, plain bool) zerolog.Logger {
	return zerolog.New(zerolog.ConsoleWriter{Out: out, NoColor: plain, TimeFormat: "15:04:05.000"}).Hook(zerolog.HookFunc(stamp))
}

// stamp is zerolog's Timestamp with fractions of a second, which that one leaves out unless a global says otherwise.
func stamp(e *zerolog.Event, _ zerolog.Level, _ string) {
	e.Str(zerolog.TimestampFieldName, time.Now().Format(time.RFC3339Nano))
}

// where names the broker for people, without its password.
func (f *brokerFlags) where() string {
	if f.embedded() {
		return "the embedded broker"
	}
	config, err := rabbitmq.FromURL(f.Broker)
	if err != nil {
		return "the broker"
	}
	return strings.Join(config.Addresses, ",")
}

// newName gives a name that no other run has.
func newName(prefix, random string) string { return prefix + "-" + strings.ToLower(random[:10]) }
