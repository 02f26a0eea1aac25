package codec

// A program is a type compiled for the fast walk (run.go): a row of steps in place of a tree, over all the items of a
// block in one call. It knows what is right and usual. What it does not know it leaves to the walk (bounds.go), which
// begins again at the first byte, decides, and says what is wrong and where. So all that must hold of it is that what it
// accepts the walk accepts, with the same end; a body that is refused costs two walks at most.
type program struct {
	steps []step
	// levels is how deep records, arrays and maps nest within one program, those apart that it calls.
	levels int
}

// step is one value, or several on end that have fixed sizes.
type step struct {
	op    op
	each  op       // opBlocks: what all of an item is, if that is opSkip, opInt or opLong, else opNull
	level int32    // of what calls: the levels from the program's beginning to what is called, the array or map included
	size  int32    // opSkip: bytes; opEnum: symbols; opBlocks: the bytes of an item that is opSkip
	calls *program // opCall: a record; opBlocks: an item, or a key and a value. Nil if that has no bytes: for the walk to count
	// opUnion: a step for each branch, none of them a union
}

type op uint8

const (
	opNull op = iota
	opSkip
	opBoolean
	opInt
	opLong
	opNanos // a long that is a time-micros
	opText
	opBytes
	opEnum
	opUnion
	opBlocks
	opCall
)

// inlined is the most steps a record may have to stand within another's program. There must be a bound: in a schema that
// the peer has sent a record may name a smaller one twice, that one a smaller one twice, and so on.
const inlined = 16

// programs are those of the records that were met. That of a record that is still being compiled has no levels yet.
type programs map[*node]*program

// program compiles a type of which the sizes are known.
func (ps programs) program(n *node) *program {
	if p := ps[n]; p != nil {
		return p
	}
	p := &program{}
	if n.kind != kindRecord {
		ps.add(p, n, 0)
		return p
	}
	ps[n] = p
	body := program{levels: 1}
	for _, f := range n.nodes {
		ps.add(&body, f, 1)
	}
	*p = body
	return p
}

// add appends a value that has so many levels around it.
func (ps programs) add(p *program, n *node, level int) {
	if n.kind == kindRecord {
		if inner := ps.program(n); inner.levels > 0 && len(inner.steps) <= inlined {
			for _, s := range inner.steps {
				p.append(s.deeper(level))
			}
			p.levels = max(p.levels, level+inner.levels)
			return
		}
	}
	if n.kind != kindNull {
		p.append(ps.step(p, n, level))
	}
}

// append joins sizes where it can.
func (p *program) append(s step) {
	if last := len(p.steps) - 1; last >= 0 && s.op == opSkip && p.steps[last].op == opSkip && s.size+p.steps[last].size <= maxMin {
		p.steps[last].size += s.size
		return
	}
	p.steps = append(p.steps, s)
}

func (s step) deeper(by int) step {
	s.level += int32(by)
	if s.op == opUnion {
		branches := &program{}
		for _, branch := range s.calls.steps {
			branches.steps = append(branches.steps, branch.deeper(by))
		}
		s.calls = branches
	}
	return s
}

func (ps programs) step(p *program, n *node, level int) step {
	switch n.kind {
	case kindNull:
		return step{op: opNull}
	case kindFloat, kindDouble, kindFixed:
		return step{op: opSkip, size: int32(n.min)}
	case kindBoolean:
		return step{op: opBoolean}
	case kindInt:
		return step{op: opInt}
	case kindLong:
		if n.nanos {
			return step{op: opNanos}
		}
		return step{op: opLong}
	case kindString:
		return step{op: opText}
	case kindBytes:
		return step{op: opBytes}
	case kindEnum:
		return step{op: opEnum, size: int32(len(n.symbols))}
	case kindUnion:
		branches := &program{}
		for _, branch := range n.union {
			branches.steps = append(branches.steps, ps.step(p, branch, level))
		}
		return step{op: opUnion, calls: branches}
	case kindRecord:
		return step{op: opCall, level: int32(level), calls: ps.program(n)}
	case kindArray, kindMap:
		p.levels = max(p.levels, level+1)
		s := step{op: opBlocks, level: int32(level + 1), calls: ps.item(n)}
		if s.calls != nil && len(s.calls.steps) == 1 {
			switch only := s.calls.steps[0]; only.op {
			case opSkip, opInt, opLong:
				s.each, s.size = only.op, only.size
			}
		}
		return s
	}
	panic("codec: a kind without a step")
}

// item is what the blocks of an array or a map repeat.
func (ps programs) item(n *node) *program {
	if n.kind == kindMap {
		p := &program{steps: []step{{op: opText}}}
		ps.add(p, n.items, 0)
		return p
	}
	if n.items.min == 0 {
		return nil
	}
	return ps.program(n.items)
}
