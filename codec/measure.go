package codec

import "encoding/json"

// inexact reports whether a default holds a whole number that a float64 cannot tell from its neighbours.
func inexact(v any) bool {
	switch v := v.(type) {
	case json.Number:
		i, err := v.Int64()
		return err == nil && (i > 1<<53 || i < -1<<53)
	case []any:
		for _, item := range v {
			if inexact(item) {
				return true
			}
		}
	case map[string]any:
		for _, item := range v {
			if inexact(item) {
				return true
			}
		}
	}
	return false
}

// measure sets min and empties, and reports false for a record that contains itself in a field it cannot do without.
// A union, array or map counts as its one leading byte, so only records recurse.
func (c *compiler) measure(n *node) bool {
	const measuring = -2
	if n.min == measuring {
		return false
	}
	if n.min >= 0 {
		return true
	}
	switch n.kind {
	case kindNull:
		n.min, n.empties = 0, 1
	case kindFloat:
		n.min = 4
	case kindDouble:
		n.min = 8
	case kindFixed:
		n.min, n.empties = n.size, 1
	case kindRecord:
		n.min = measuring
		sum, empties := 0, 1
		for _, f := range n.fields {
			if !c.measure(f.node) {
				return false
			}
			sum, empties = min(sum+f.node.min, maxMin), min(empties+f.node.empties, maxMin)
		}
		n.min, n.empties = sum, empties
	default:
		n.min = 1
	}
	return true
}
