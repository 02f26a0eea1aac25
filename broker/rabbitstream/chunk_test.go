package rabbitstream

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"math/rand/v2"
	"reflect"
	"runtime"
	"slices"
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
		if err != nil && !errors.Is(err, errFrame) || err == nil && got[len(got)-1].Offset != uint64(len(bodies)-1) {
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

// What is inside an entry is its publisher's word. Where it is not kept, one record stands for all that cannot be read, at the last of their offsets, and those around are as good as ever.
func TestEntriesThatCannotBeRead(t *testing.T) {
	const n = 10
	good := messages(n, "good")
	spoil := func(e frame, at int) frame {
		e = slices.Clone(e)
		e[len(e)+at] ^= 0xff
		return e
	}
	says := func(e frame, size uint32) frame {
		return slices.Concat(e[:3], frame(nil).u32(size), e[7:])
	}
	cut := func(e frame) frame { // without the end, which has a checksum
		return slices.Concat(e[:7], frame(nil).bytes(e[11:len(e)-1]))
	}
	bomb := func(how uint8) frame { return packed(t, how, n, make([]byte, 200<<20)) }
	window := frame(nil).u8(severalRecords | packedZstd<<4).u16(n).u32(10).bytes([]byte{0x28, 0xb5, 0x2f, 0xfd, 0, 19 << 3, 3, 0, 0, 'x'}) // of 512 MiB
	for what, e := range map[string]frame{
		"compressed in no way that is known": packed(t, packedZstd, n, good)[:0].u8(severalRecords | 5<<4).u16(n).u32(7).bytes([]byte("unknown")),
		"no gzip":                            spoil(packed(t, packedGzip, n, good), -1),
		"no snappy":                          spoil(packed(t, packedSnappy, n, good), -1),
		"no lz4":                             spoil(packed(t, packedLZ4, n, good), -1),
		"no zstd":                            spoil(packed(t, packedZstd, n, good), -1),
		"gzip without its end":               cut(packed(t, packedGzip, n, good)),
		"lz4 without its end":                cut(packed(t, packedLZ4, n, good)),
		"gzip that is longer than it says":   says(packed(t, packedGzip, n, good), uint32(len(good)-1)),
		"zstd that is longer than it says":   says(packed(t, packedZstd, n, good), uint32(len(good)-1)),
		"lz4 that is shorter than it says":   says(packed(t, packedLZ4, n, good), uint32(len(good)+1)),
		"zstd that says 4 GiB":               says(packed(t, packedZstd, n, good), math.MaxUint32),
		"a gzip bomb":                        bomb(packedGzip),
		"a zstd bomb":                        bomb(packedZstd),
		"a zstd bomb that says less":         says(bomb(packedZstd), 100),
		"zstd with a large window":           window,
		"no messages":                        frame(nil).u8(severalRecords).u16(n).u32(3).bytes([]byte("abc")),
	} {
		raw := e[11:]
		around, bodies := entries(0)
		chunk := delivered(100, 1+n+1, slices.Concat(around, e, around))
		for from := uint64(99); from <= 112; from++ {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			got, err := unpack(chunk, from)
			runtime.ReadMemStats(&after)
			if spent := (after.TotalAlloc - before.TotalAlloc) >> 20; spent > 2*maxPlain>>20 {
				t.Errorf("%s: %d MiB were allocated", what, spent)
			}
			var want []broker.Record
			for _, r := range []broker.Record{{Offset: 100, Body: []byte(bodies[0])}, {Offset: 100 + n, Body: raw}, {Offset: 101 + n, Body: []byte(bodies[0])}} {
				if r.Offset >= from {
					want = append(want, r)
				}
			}
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%s, from %d: %d records of %d bytes, %v", what, from, len(got), len(chunk), err)
			}
		}
	}
}

// Of an entry that has fewer records than it says, those are read that are there.
func TestEntriesWithFewerRecords(t *testing.T) {
	plain := append(messages(3, "good"), 0, 0, 0, 9, 'x')
	for _, e := range []frame{packed(t, packedGzip, 1000, plain), frame(nil).u8(severalRecords).u16(1000).u32(0).bytes(plain)} {
		got, err := unpack(delivered(0, 1000, e), 1)
		if err != nil || len(got) != 3 || string(got[1].Body) != "good" || got[1].Offset != 2 || got[2].Offset != 999 || string(got[2].Body) != "\x00\x00\x00\x09x" {
			t.Errorf("%d records, %v", len(got), err)
		}
	}
}

// A chunk may become so much, whatever its entries are; a large one more.
func TestChunkBecomesNoMoreThanItMay(t *testing.T) {
	most := func(n, size int) (count int) {
		plain := append(binary.BigEndian.AppendUint32(nil, uint32(size)), make([]byte, size)...)
		e := packed(t, packedZstd, 1, plain)
		got, err := unpack(delivered(0, n, bytes.Repeat(e, n)), 0)
		if err != nil || len(got) != n || got[n-1].Offset != uint64(n)-1 {
			t.Fatalf("%d records, %v", len(got), err)
		}
		for _, r := range got {
			if len(r.Body) == size {
				count++
			}
		}
		return count
	}
	if n := most(5, 30<<20); n != 2 {
		t.Errorf("%d entries of 30 MiB are read", n)
	}
	tiny := packed(t, packedZstd, math.MaxUint16, make([]byte, 4*math.MaxUint16)) // empty records, which are not so small any more
	const n = 100
	got, err := unpack(delivered(0, n*math.MaxUint16, bytes.Repeat(tiny, n)), 0)
	if want := maxPlain / (4 + recordCost); err != nil || len(got) > want+n || len(got) < want-math.MaxUint16 {
		t.Errorf("%d empty records are read, want about %d, %v", len(got), want, err)
	}
}

// Whatever is inside compressed entries, nothing is an error and nothing is left out.
func TestSpoiledCompressedEntries(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for how := packedGzip; how <= packedZstd; how++ {
		e := packed(t, how, 20, messages(20, "some body"))
		for range 3000 {
			spoiled := slices.Clone(e)
			for range 1 + r.IntN(4) {
				spoiled[11+r.IntN(len(e)-11)] = byte(r.Uint32())
			}
			got, err := unpack(delivered(0, 20, spoiled), 0)
			if err != nil || len(got) == 0 || got[len(got)-1].Offset != 19 {
				t.Fatalf("%x: %d records, %v", spoiled, len(got), err)
			}
		}
	}
}

// RabbitMQ takes an entry whatever is inside. It stops no reader, who gets what is around it and knows when there is nothing more.
func TestEntryThatCannotBeReadOnANode(t *testing.T) {
	rabbittest.EachVersion(t, func(t *testing.T, node *rabbit.Node) {
		p := newPort(t, node, nil)
		name := declare(t, p)
		opened, s := openPublisher(t, p, broker.PublisherConfig{RoutingKey: name})
		await[*broker.Opened](t, s)
		opened.Publish(batch(1, "before"))
		s.confirmed(t, 1)
		own := opened.(*publisher)
		own.link.say(newFrame(publish).u8(own.number).u32(1).u64(2).u8(severalRecords | packedGzip<<4).u16(1000).u32(1 << 31).bytes([]byte("no gzip")).sealed())
		opened.Publish(batch(3, "behind"))
		s.confirmed(t, 3)
		consumer, reads := openConsumer(t, p, broker.ConsumerConfig{Queue: name, Stream: &broker.StreamOffset{}, Prefetch: 1000})
		await[*broker.Opened](t, reads)
		var got []string
		for len(got) < 3 {
			for _, r := range await[*broker.Delivered](t, reads).Records {
				got = append(got, fmt.Sprint(r.Offset, " ", string(r.Body)))
			}
		}
		if want := "[0 before 1000 no gzip 1001 behind]"; fmt.Sprint(got) != want {
			t.Errorf("read: %v, want %s", got, want)
		}
		consumer.Inspect()
		if n := await[*broker.Inspected](t, reads).Ready; n != 0 {
			t.Errorf("%d are ready behind the last one", n)
		}
	})
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
