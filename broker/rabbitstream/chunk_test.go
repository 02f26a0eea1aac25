package rabbitstream

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4"
	"github.com/rabbitmq/rabbitmq-stream-go-client/pkg/amqp"
	"github.com/rabbitmq/rabbitmq-stream-go-client/pkg/message"
	"github.com/rabbitmq/rabbitmq-stream-go-client/pkg/stream"

	"github.com/d2e2d648/weir/broker"
	"github.com/d2e2d648/weir/test/rabbit"
	"github.com/d2e2d648/weir/test/rabbit/rabbittest"
)

// entries are a chunk's, as they are written: each a record, or several.
func entries(sizes ...int) (b []byte, bodies []string) {
	var e encoder
	for _, n := range sizes {
		var inner []byte
		for range max(n, 1) {
			body := fmt.Sprint("body ", len(bodies))
			bodies = append(bodies, body)
			m := e.append(nil, 1, &broker.Record{Body: []byte(body)})
			inner = append(binary.BigEndian.AppendUint32(inner, uint32(len(m))), m...)
		}
		if n > 0 {
			b = frame(b).u8(severalRecords).u16(uint16(n)).u32(uint32(len(inner))).u32(uint32(len(inner)))
		}
		b = append(b, inner...)
	}
	return b, bodies
}

// delivered is what a deliver frame has behind the subscription.
func delivered(first uint64, records int, entries []byte) []byte {
	f := frame(nil).u8(chunkMagic).u8(0).u16(0).u32(uint32(records)).u64(0).u64(1).u64(first)
	return append(f.u32(crc32.ChecksumIEEE(entries)).u32(uint32(len(entries))).u64(0), entries...)
}

func unpack(b []byte, from uint64) ([]broker.Record, error) {
	f := &fields{b: b}
	k, err := f.chunk()
	if err != nil {
		return nil, err
	}
	return k.unpack(f, from, false)
}

// Records alone and in entries of several, from the middle of a chunk too.
func TestUnpack(t *testing.T) {
	b, bodies := entries(0, 3, 1, 0, 2)
	chunk := delivered(100, len(bodies), b)
	for from := uint64(98); from <= 110; from++ {
		got, err := unpack(chunk, from)
		if want := int(max(108, from) - max(100, from)); err != nil || len(got) != want {
			t.Fatalf("from %d: %d records, want %d, %v", from, len(got), want, err)
		}
		for i, r := range got {
			if want := max(100, from) + uint64(i); r.Offset != want || string(r.Body) != bodies[want-100] {
				t.Errorf("from %d: offset %d is %q", from, r.Offset, r.Body)
			}
			if extended := append(r.Body, "!"...); len(extended) > 0 && i+1 < len(got) && string(got[i+1].Body) != bodies[got[i+1].Offset-100] {
				t.Fatalf("who appends to the body of %d spoils the next one", r.Offset)
			}
		}
	}
}

// What makes no sense is an error, whatever of it that is; it is no panic and no endless loop.
func TestUnpackRefuses(t *testing.T) {
	b, bodies := entries(0, 3, 0)
	good := delivered(0, len(bodies), b)
	if _, err := unpack(good, 0); err != nil {
		t.Fatal(err)
	}
	for n := range good {
		if _, err := unpack(good[:n], 0); !errors.Is(err, errFrame) {
			t.Errorf("the first %d bytes: %v", n, err)
		}
	}
	for at := chunkHead - 1; at < len(good); at++ {
		spoiled := bytes.Clone(good)
		spoiled[at] ^= 0x10
		if _, err := unpack(spoiled, 0); !errors.Is(err, errFrame) {
			t.Errorf("a bit of byte %d is wrong: %v", at, err)
		}
	}
	for _, records := range []int{len(bodies) - 1, len(bodies) + 1, 1 << 30} {
		if _, err := unpack(delivered(0, records, b), 0); !errors.Is(err, errFrame) {
			t.Errorf("it says %d records: %v", records, err)
		}
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 20_000 { // with checksums that are right
		spoiled := bytes.Clone(b)
		for range 1 + r.IntN(3) {
			spoiled[r.IntN(len(spoiled))] = byte(r.Uint32())
		}
		got, err := unpack(delivered(0, len(bodies), spoiled[:1+r.IntN(len(spoiled))]), 0)
		if err != nil && !errors.Is(err, errFrame) || err == nil && len(got) != len(bodies) {
			t.Fatalf("%x: %d records, %v", spoiled, len(got), err)
		}
	}
}

// packed is an entry of several that is compressed.
func packed(t *testing.T, how uint8, count int, plain []byte) frame {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser
	switch how {
	case packedGzip:
		w = gzip.NewWriter(&b)
	case packedSnappy:
		w = snappy.NewBufferedWriter(&b)
	case packedLZ4:
		w = lz4.NewWriter(&b)
	case packedZstd:
		w, _ = zstd.NewWriter(&b, zstd.WithEncoderConcurrency(1))
	}
	if _, err := w.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return frame(nil).u8(severalRecords | how<<4).u16(uint16(count)).u32(uint32(len(plain))).bytes(b.Bytes())
}

// messages are what an entry of several has inside.
func messages(n int, body string) (plain []byte) {
	m := (&encoder{}).append(nil, 1, &broker.Record{Body: []byte(body)})
	for range n {
		plain = append(binary.BigEndian.AppendUint32(plain, uint32(len(m))), m...)
	}
	return plain
}

// Records that are much alike become less than a byte each.
func TestUnpackWhatIsPackedWell(t *testing.T) {
	const n = 10_000
	for how := packedGzip; how <= packedZstd; how++ {
		b := packed(t, how, n, messages(n, "alike"))
		if how != packedSnappy && len(b) > n {
			t.Fatalf("compressed in way %d they have %d bytes", how, len(b))
		}
		got, err := unpack(delivered(7, n, b), 7)
		if err != nil || len(got) != n || string(got[n-1].Body) != "alike" || got[n-1].Offset != 7+n-1 {
			t.Errorf("compressed in way %d: %d records, %v", how, len(got), err)
		}
	}
}

// Entries that other clients have compressed are read.
func TestCompressedSubEntries(t *testing.T) {
	none := stream.Compression{}
	rabbittest.EachVersion(t, func(t *testing.T, node *rabbit.Node) {
		p := newPort(t, node, nil)
		name := declare(t, p)
		env := environment(t, node)
		const each = 25
		sent := 0
		for _, how := range []stream.Compression{none.None(), none.Gzip(), none.Snappy(), none.Lz4(), none.Zstd()} {
			producer, err := env.NewProducer(name, stream.NewProducerOptions().SetSubEntrySize(10).SetCompression(how))
			if err != nil {
				t.Fatal(err)
			}
			confirms := producer.NotifyPublishConfirmation()
			var batch []message.StreamMessage
			for range each {
				batch = append(batch, amqp.NewMessage(fmt.Append(nil, "body ", sent)))
				sent++
			}
			if err := producer.BatchSend(batch); err != nil {
				t.Fatal(err)
			}
			for n := 0; n < each; {
				n += len(<-confirms)
			}
			if err := producer.Close(); err != nil {
				t.Fatal(err)
			}
		}
		_, reads := openConsumer(t, p, broker.ConsumerConfig{Queue: name, Stream: &broker.StreamOffset{}, Prefetch: 1000})
		await[*broker.Opened](t, reads)
		for n := 0; n < sent; {
			for _, r := range await[*broker.Delivered](t, reads).Records {
				if want := fmt.Sprint("body ", n); string(r.Body) != want || r.Offset != uint64(n) {
					t.Fatalf("offset %d is %q, want %q", r.Offset, r.Body, want)
				}
				n++
			}
		}
	})
}
