package rabbitstream

import "github.com/rabbitmq/rabbitmq-stream-go-client/pkg/logs"

// The client logs to the standard logger, some of it in a hot loop and all of it beside what it returns. A program that wants it calls logs.SetLogger itself.
func init() { logs.SetLogger(quiet{}) }

type quiet struct{}

func (quiet) Info(string, ...any)  {}
func (quiet) Error(string, ...any) {}
func (quiet) Debug(string, ...any) {}
func (quiet) Warn(string, ...any)  {}
