package rabbitmq

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// A frame is kind (1 byte), channel (2), size (4), payload (size bytes), 0xCE. The kinds that the data path knows:
const (
	frameMethod = 1
	frameHeader = 2
	frameBody   = 3

	frameStart = 7
	frameRest  = 8 // start and end together
	frameEnd   = 0xCE

	// frameMax is what weir proposes for a frame, RabbitMQ's own default. A broker may lower it, never raise it.
	frameMax = 128 << 10
)

// Methods are written class<<16 | method, as they stand at the beginning of a method frame's payload.
const (
	connectionStartOK   = 10<<16 | 11
	connectionClose     = 10<<16 | 50
	connectionBlocked   = 10<<16 | 60
	connectionUnblocked = 10<<16 | 61

	channelOpen    = 20<<16 | 10
	channelClose   = 20<<16 | 40
	channelCloseOK = 20<<16 | 41

	exchangeDeclare = 40<<16 | 10
	exchangeDelete  = 40<<16 | 20
	queueDeclare    = 50<<16 | 10
	queueDeclareOK  = 50<<16 | 11
	queueBind       = 50<<16 | 20
	queueDelete     = 50<<16 | 40

	basicQos       = 60<<16 | 10
	basicQosOK     = 60<<16 | 11
	basicConsume   = 60<<16 | 20
	basicConsumeOK = 60<<16 | 21
	basicCancel    = 60<<16 | 30
	basicPublish   = 60<<16 | 40
	basicReturn    = 60<<16 | 50
	basicDeliver   = 60<<16 | 60
	basicAck       = 60<<16 | 80
	basicReject    = 60<<16 | 90
	basicNack      = 60<<16 | 120

	confirmSelectOK = 85<<16 | 11
)

var errFrame = errors.New("malformed frame")

// frame is one frame; its payload lies in the buffer that it was read from.
type frame struct {
	kind    byte
	channel uint16
	payload []byte
}

// nextFrame takes the first frame of b. size is how long it is in all, 0 when b does not hold all of it yet.
func nextFrame(b []byte) (f frame, size int, err error) {
	if len(b) < frameStart {
		return f, 0, nil
	}
	n := binary.BigEndian.Uint32(b[3:])
	if n > frameMax-frameRest {
		return f, 0, fmt.Errorf("%w: %d bytes", errFrame, n)
	}
	size = int(n) + frameRest
	if len(b) < size {
		return f, 0, nil
	}
	if b[size-1] != frameEnd {
		return f, 0, fmt.Errorf("%w: its end is missing", errFrame)
	}
	return frame{b[0], binary.BigEndian.Uint16(b[1:]), b[frameStart : size-1]}, size, nil
}

// method is class<<16 | method of a method frame, 0 for others.
func (f frame) method() uint32 {
	if f.kind != frameMethod || len(f.payload) < 4 {
		return 0
	}
	return binary.BigEndian.Uint32(f.payload)
}
