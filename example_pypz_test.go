package weir_test

import (
	"context"
	"fmt"
	"time"

	"github.com/d2e2d648/weir"
)

// A port's configuration from a pypz pipeline opens the same end of the channel. With weir.Open(ctx, config.URL()) instead of weir.Embedded() it is the pipeline's own channel.
func ExampleParsePypz() {
	config, err := weir.ParsePypz([]byte(`{
		"channelLocation": "rabbit.example.org",
		"channelConfig": {"max_poll_records": 50, "data_consumer_timeout_sec": 0.5, "metricsEnabled": true, "logLevel": "INFO"},
		"portOpenTimeoutMs": 30000
	}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(config.URL(), config.Poll, config.DataTimeout, config.OpenTimeout)

	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	rt := weir.Embedded()
	defer rt.Close(ctx)
	options := append(config.Options(), weir.Name("pipeline.worker.in"))
	r, err := weir.OpenReader(ctx, rt, "pipeline.worker.in", weir.Text(), options...)
	if err != nil {
		fmt.Println(err)
		return
	}
	batch, err := r.Read(ctx) // nothing comes within half a second
	fmt.Println(len(batch.Values), err)

	_, err = weir.ParsePypz([]byte(`{"channelConfig": {"maxPollRecords": 50}}`))
	fmt.Println(err)
	// Output:
	// amqp://guest:guest@rabbit.example.org:5672/ 50 500ms 30s
	// 0 <nil>
	// pypz configuration: channelConfig.maxPollRecords: unknown key; did you mean channelConfig.max_poll_records? (IgnoreUnknown passes over such keys, as pypz does)
	// channelLocation: it is missing: give "host[:port]" or an amqp:// URI
}

// MultiWriter sends the same records to several channels, as an output port of pypz does.
func ExampleMultiWriter() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	rt := weir.Embedded()
	defer rt.Close(ctx)
	var writers []*weir.Writer[string]
	for _, channel := range []string{"archive", "alarms"} {
		w, err := weir.OpenWriter(ctx, rt, channel, weir.Text(), weir.Create())
		if err != nil {
			fmt.Println(err)
			return
		}
		writers = append(writers, w)
	}
	both := weir.MultiWriter(writers...)
	fmt.Println(both.Write(ctx, "one", "two"))
	_ = writers[1].Close(ctx) // one of the channels is gone: the other gets its records
	fmt.Println(both.Write(ctx, "three"))
	// Output:
	// <nil>
	// write to channel alarms: of 1 records 0 confirmed, 0 unknown, 0 unroutable, 1 not sent: channel is closed
}
