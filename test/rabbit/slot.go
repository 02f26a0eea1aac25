package rabbit

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
)

// Slots are blocks of ports on the loopback address. All lie below 32768, where
// the ephemeral range begins: from there a port can be taken by any outgoing
// connection between its choice and its binding.
const (
	firstPort = 21000
	lastPort  = 31000
	slotSize  = 4
)

// slot is a block of ports and a data folder that belong to one node.
type slot struct {
	base int      // the AMQP port, and the slot's name
	dir  string   // the node's data; empty when the slot is taken
	held *os.File // the lock that keeps other nodes out, in this process or another
}

func (s *slot) amqp() int   { return s.base }
func (s *slot) stream() int { return s.base + 1 }
func (s *slot) dist() int   { return s.base + 2 }
func (s *slot) epmd() int   { return s.base + 3 }

// takeSlot returns the first slot that is nobody's. First, not random: so the
// leftovers of owners that were killed are soon met again, and removed.
func takeSlot() (*slot, error) {
	nodes, err := cacheDir("nodes")
	if err != nil {
		return nil, err
	}
	for base := firstPort; base < lastPort; base += slotSize {
		held, err := tryLock(filepath.Join(nodes, strconv.Itoa(base)+".lock"))
		if err != nil {
			return nil, err
		}
		if held == nil {
			continue
		}
		s := &slot{base: base, dir: filepath.Join(nodes, strconv.Itoa(base)), held: held}
		if s.free() {
			return s, s.clear()
		}
		quietly(held)
	}
	return nil, errors.New("no free block of loopback ports for a RabbitMQ node")
}

// free says whether nothing listens on any port of the slot. A node whose owner
// was killed may still be dying: its ports are given back last.
func (s *slot) free() bool {
	for port := s.base; port < s.base+slotSize; port++ {
		l, err := net.Listen("tcp4", loopback(port))
		if err != nil {
			return false
		}
		quietly(l)
	}
	return true
}

// clear makes the data folder anew.
func (s *slot) clear() error {
	if err := os.RemoveAll(s.dir); err != nil {
		return err
	}
	return os.Mkdir(s.dir, 0o755)
}

// release removes the data and gives the ports to whoever comes next.
func (s *slot) release() error {
	return errors.Join(os.RemoveAll(s.dir), s.held.Close())
}

func loopback(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }
