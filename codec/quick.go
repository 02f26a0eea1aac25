package codec

// quick is the walk's short way over the commonest values: scalars, small and well formed. It returns where the value at
// pos ends, or −1 if it is for walk.value to look at, which admits the same and more, and says what is wrong.
func quick(n *node, body []byte, pos int) int {
	if pos >= len(body) {
		return -1
	}
	first := body[pos]
	switch n.kind {
	case kindInt, kindLong:
		for end := pos; end < len(body) && end < pos+4; end++ {
			if body[end] < 0x80 {
				return end + 1
			}
		}
	case kindBoolean:
		if first <= 1 {
			return pos + 1
		}
	case kindFloat, kindDouble, kindFixed:
		if n.min <= len(body)-pos {
			return pos + n.min
		}
	case kindString:
		return shortText(body, pos)
	case kindEnum:
		if small(first) && int(first>>1) < len(n.symbols) {
			return pos + 1
		}
	case kindUnion:
		if !small(first) || int(first>>1) >= len(n.union) {
			return -1
		}
		if branch := n.union[first>>1]; branch.kind != kindNull {
			return quick(branch, body, pos+1)
		}
		return pos + 1
	}
	return -1
}

// small: the byte is all of a number from 0 to 63, which is the byte halved.
func small(b byte) bool { return b&0x81 == 0 }

// shortText is where the text at pos ends, if it has fewer than 64 bytes, all ASCII; else −1.
func shortText(body []byte, pos int) int {
	if pos >= len(body) || !small(body[pos]) {
		return -1
	}
	start := pos + 1
	end := start + int(body[pos]>>1)
	if end > len(body) {
		return -1
	}
	var all byte
	for _, c := range body[start:end] {
		all |= c
	}
	if all >= 0x80 {
		return -1
	}
	return end
}
