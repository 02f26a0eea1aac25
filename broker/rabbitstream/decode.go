package rabbitstream

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/rabbitmq/rabbitmq-stream-go-client/pkg/amqp"

	"github.com/d2e2d648/weir/broker"
)

// decode gives a record's body, and its properties if they are asked for. Nearly all messages are one section of data behind some that are not asked for, and
// their body is a part of theirs; the others are for the stream client's decoder. Of one that makes no sense it gives what it has come to.
func decode(m []byte, properties bool) ([]byte, *broker.Properties) {
	if !properties {
		if body, plain := plainBody(m); plain {
			return body, nil
		}
	}
	var decoded amqp.Message
	_ = decoded.UnmarshalBinary(m)
	if !properties {
		return bodyOf(&decoded), nil
	}
	return bodyOf(&decoded), propertiesOf(&decoded)
}

// plainBody is the body of a message whose last section is its only one of data.
func plainBody(m []byte) (body []byte, plain bool) {
	for len(m) > 4 && m[0] == 0 && m[1] == typeSmallULong {
		size, head := 0, 0
		switch kind := m[3]; {
		case kind == typeBinary8, kind == typeList8, kind == typeMap8:
			size, head = int(m[4]), 5
		case (kind == typeBinary32 || kind == typeList32 || kind == typeMap32) && len(m) >= 8:
			size, head = int(binary.BigEndian.Uint32(m[4:])), 8
		default:
			return nil, false
		}
		section := m[2]
		if m = m[head:]; size > len(m) {
			return nil, false
		}
		if section == sectionData {
			return m, size == len(m)
		}
		m = m[size:]
	}
	return nil, false
}

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
