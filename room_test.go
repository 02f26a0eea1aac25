package weir

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Who waits for room gets it in the order in which they came, whoever would fit sooner; and who gives up leaves the room to those behind him.
func TestRoomIsGivenInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(space{10, 100})
		life := t.Context()
		if !r.acquire(life, life, space{10, 10}) {
			t.Fatal("no room in an empty window")
		}
		var got []string
		var mu sync.Mutex
		wait := func(ctx context.Context, name string, records, bytes int64) {
			go func() {
				if !r.acquire(ctx, life, space{records, bytes}) {
					name = "not " + name
				}
				mu.Lock()
				got = append(got, name)
				mu.Unlock()
			}()
			synctest.Wait()
		}
		expect := func(want ...string) {
			t.Helper()
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			if len(got) != len(want) {
				t.Fatalf("%q, want %q", got, want)
			}
			for i := range want {
				if got[i] != want[i] {
					t.Fatalf("%q, want %q", got, want)
				}
			}
		}
		impatient, leave := context.WithCancel(t.Context())
		wait(impatient, "all of it", 10, 90)
		wait(life, "one", 1, 1)
		wait(life, "many bytes", 1, 100)
		r.release(space{5, 5})
		expect() // one would fit, but is behind
		leave()
		expect("not all of it", "one")
		r.release(space{5, 5})
		expect("not all of it", "one")
		r.release(space{1, 1})
		expect("not all of it", "one", "many bytes")
		r.release(space{1, 100})
		if r.free.records != 10 || r.free.bytes != 100 || len(r.waiting) != 0 {
			t.Errorf("%d records and %d bytes are free, %d wait", r.free.records, r.free.bytes, len(r.waiting))
		}
	})
}

// Who had to wait gets room when a tenth of all is free: not for each record that is settled.
func TestRoomIsGivenByTheTenth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, test := range map[string]struct{ taken, back, rest space }{
			"records": {space{100, 1}, space{9, 0}, space{1, 0}},
			"bytes":   {space{1, 1000}, space{1, 99}, space{0, 1}},
		} {
			r := newRoom(space{100, 1000})
			life := t.Context()
			if !r.acquire(life, life, test.taken) {
				t.Fatal("no room in an empty window")
			}
			entered := make(chan bool, 1)
			go func() { entered <- r.acquire(life, life, space{1, 1}) }()
			synctest.Wait()
			r.release(test.back)
			synctest.Wait()
			if len(entered) > 0 {
				t.Errorf("%s: room is given before a tenth is free", name)
			}
			r.release(test.rest)
			synctest.Wait()
			if len(entered) == 0 {
				t.Errorf("%s: a tenth is free, and no room is given", name)
			}
			if !r.acquire(life, life, space{1, 1}) {
				t.Errorf("%s: nobody waits, and there is no room", name)
			}
		}
	})
}

func TestRoomEndsWithTheOtherLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(space{1, 1})
		life, end := context.WithCancelCause(t.Context())
		if !r.acquire(t.Context(), life, space{1, 1}) {
			t.Fatal("no room in an empty window")
		}
		time.AfterFunc(time.Second, func() { end(errors.New("over")) })
		if r.acquire(t.Context(), life, space{1, 1}) {
			t.Error("there was room for two")
		}
	})
}

// However those who wait come and go, no room is lost and none is given twice.
func TestRoomIsNeverLost(t *testing.T) {
	r := newRoom(space{20, 200})
	var under struct {
		sync.Mutex
		records, bytes int64
	}
	count := func(records, bytes int64) {
		under.Lock()
		defer under.Unlock()
		under.records += records
		under.bytes += bytes
		if under.records > 20 || under.bytes > 200 {
			t.Errorf("%d records and %d bytes are under way", under.records, under.bytes)
		}
	}
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for range 300 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rand.N(100))*time.Microsecond)
				records, bytes := 1+rand.N(int64(20)), 1+rand.N(int64(200))
				if r.acquire(ctx, t.Context(), space{records, bytes}) {
					count(records, bytes)
					time.Sleep(rand.N(20 * time.Microsecond))
					count(-records, -bytes)
					r.release(space{records, bytes})
				}
				cancel()
			}
		})
	}
	all.Wait()
	if r.free.records != 20 || r.free.bytes != 200 || len(r.waiting) != 0 {
		t.Errorf("%d records and %d bytes are free, %d wait", r.free.records, r.free.bytes, len(r.waiting))
	}
}
