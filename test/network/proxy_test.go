package network

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"
)

// echo is a broker that says what it is told.
func echo(t *testing.T) (proxy *Proxy, dial func() net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				io.Copy(conn, conn)
			}()
		}
	}()
	if proxy, err = NewProxy(l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(proxy.Close)
	return proxy, func() net.Conn {
		conn, err := net.Dial("tcp4", proxy.Address())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		return conn
	}
}

const patience = 10 * time.Second

// say has text echoed.
func say(conn net.Conn, text string) error {
	if _, err := io.WriteString(conn, text); err != nil {
		return err
	}
	conn.SetReadDeadline(time.Now().Add(patience))
	back := make([]byte, len(text))
	_, err := io.ReadFull(conn, back)
	return err
}

// silent says whether nothing comes for a while.
func silent(conn net.Conn) bool {
	conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	_, err := conn.Read(make([]byte, 1))
	return errors.Is(err, os.ErrDeadlineExceeded)
}

func TestFineWeather(t *testing.T) {
	_, dial := echo(t)
	conn := dial()
	if err := say(conn, string(bytes.Repeat([]byte("x"), 200_000))); err != nil {
		t.Fatal(err)
	}
	conn.(*net.TCPConn).CloseWrite()
	if _, err := conn.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("after the end: %v", err)
	}
}

func TestReset(t *testing.T) {
	proxy, dial := echo(t)
	conn := dial()
	if err := say(conn, "x"); err != nil {
		t.Fatal(err)
	}
	proxy.Reset()
	if err := say(conn, "x"); !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
		t.Errorf("after a reset: %v", err)
	}
	if err := say(dial(), "x"); err != nil {
		t.Errorf("a new connection: %v", err)
	}
}

func TestBlackHoleEnds(t *testing.T) {
	for _, way := range []Direction{ToBroker, FromBroker} {
		proxy, dial := echo(t)
		conn := dial()
		if err := say(conn, "x"); err != nil {
			t.Fatal(err)
		}
		proxy.Set(Weather{Silent: way})
		io.WriteString(conn, "y")
		if !silent(conn) {
			t.Error("something came through")
		}
		proxy.Set(Weather{})
		if err := say(conn, ""); err != nil {
			t.Error(err)
		}
		conn.SetReadDeadline(time.Now().Add(patience))
		if _, err := conn.Read(make([]byte, 1)); err != nil {
			t.Errorf("what was held back: %v", err)
		}
	}
}

func TestHalfOpenStaysSo(t *testing.T) {
	proxy, dial := echo(t)
	conn := dial()
	if err := say(conn, "x"); err != nil {
		t.Fatal(err)
	}
	proxy.Forget(ToBroker | FromBroker)
	io.WriteString(conn, "y")
	if !silent(conn) {
		t.Error("something came through")
	}
	if err := say(dial(), "x"); err != nil {
		t.Errorf("a new connection: %v", err)
	}
}

func TestWeather(t *testing.T) {
	for _, w := range []Weather{{Slice: 3}, {Delay: time.Millisecond}, {Rate: 100_000}} {
		proxy, dial := echo(t)
		proxy.Set(w)
		if err := say(dial(), "what is sliced, late or slow arrives"); err != nil {
			t.Errorf("%+v: %v", w, err)
		}
	}
}

func TestCut(t *testing.T) {
	proxy, dial := echo(t)
	proxy.Set(Weather{CutAfter: 15})
	conn := dial()
	if err := say(conn, "1234567"); err != nil {
		t.Fatal(err)
	}
	if err := say(conn, "1234567"); err == nil {
		t.Error("it carried more than 15 bytes")
	}
}
