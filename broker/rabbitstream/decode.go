package rabbitstream

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rabbitmq/rabbitmq-stream-go-client/pkg/amqp"

	"github.com/d2e2d648/weir/broker"
)

// bodyOf is the record's body; a message may have it in several sections.
func bodyOf(m *amqp.Message) []byte {
	switch len(m.Data) {
	case 0:
		return nil
	case 1:
		return m.Data[0]
	}
	return slices.Concat(m.Data...)
}

// olderAppID is where RabbitMQ 3.10 keeps app_id of what was published over AMQP 0-9-1.
const olderAppID = "x-basic-app-id"

// propertiesOf is nil when there are none.
func propertiesOf(m *amqp.Message) *broker.Properties {
	if m.Properties == nil && len(m.ApplicationProperties) == 0 {
		return nil
	}
	p := &broker.Properties{}
	if own := m.Properties; own != nil {
		p.ContentEncoding, p.AppID = own.ContentEncoding, own.GroupID
		if own.MessageID != nil {
			p.MessageID = fmt.Sprint(own.MessageID)
		}
	}
	for key, value := range m.ApplicationProperties {
		switch text, is := value.(string); {
		case !is:
		case key == olderAppID:
			p.AppID = text
		default:
			p.Headers = append(p.Headers, broker.Header{Key: key, Value: text})
		}
	}
	slices.SortFunc(p.Headers, func(a, b broker.Header) int { return strings.Compare(a.Key, b.Key) })
	return p
}
