package chaos

import "github.com/d2e2d648/weir/test/network"

// The network before a node is package network's.
type (
	// Proxy is the network before one port.
	Proxy = network.Proxy
	// Weather is what befalls the bytes on their way.
	Weather = network.Weather
	// Direction is a way through the proxy, or both.
	Direction = network.Direction
)

// The two ways.
const (
	ToBroker   = network.ToBroker
	FromBroker = network.FromBroker
)

// NewProxy listens on a loopback port of its own.
func NewProxy(target string) (*Proxy, error) { return network.NewProxy(target) }
