package rabbittest

import (
	"context"
	"errors"
	"sync"

	"github.com/d2e2d648/weir/test/rabbit"
)

// shared holds the nodes of this process.
var shared pool

// pool starts one node of each version, when it is first asked for.
type pool struct {
	mu    sync.Mutex
	nodes map[string]*entry // by version; nil while the pool is closed
}

// entry is one node, or why there is none: a start that failed is not repeated
// by every test that follows.
type entry struct {
	start sync.Once
	node  *rabbit.Node
	err   error
}

func (p *pool) open() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.nodes = make(map[string]*entry)
}

// node blocks while the node starts; other versions can start meanwhile.
func (p *pool) node(version string) (*rabbit.Node, error) {
	e, err := p.entry(version)
	if err != nil {
		return nil, err
	}
	e.start.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), startLimit)
		defer cancel()
		e.node, e.err = rabbit.Start(ctx, rabbit.Options{Version: version, Stream: true})
	})
	return e.node, e.err
}

func (p *pool) entry(version string) (*entry, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.nodes == nil {
		return nil, errors.New("nobody would end a shared node: this package's TestMain must be rabbittest's")
	}
	if p.nodes[version] == nil {
		p.nodes[version] = new(entry)
	}
	return p.nodes[version], nil
}

// close ends all nodes. No test runs any more.
func (p *pool) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var errs []error
	for _, e := range p.nodes {
		if e.node != nil {
			errs = append(errs, e.node.Close())
		}
	}
	p.nodes = nil
	return errors.Join(errs...)
}
