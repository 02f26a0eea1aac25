package embedded

// fifo is a first-in-first-out queue in blocks. It keeps nothing that was taken out, and no more than one block when it is empty.
type fifo[T any] struct {
	head, tail *block[T]
	n          int
}

// block grows with the queue: idle queues are many and stay small.
type block[T any] struct {
	items []T
	read  int
	next  *block[T]
}

const minBlock, maxBlock = 4, 256

func (f *fifo[T]) push(x T) {
	if f.tail == nil {
		f.head = &block[T]{items: make([]T, 0, minBlock)}
		f.tail = f.head
	} else if size := cap(f.tail.items); len(f.tail.items) == size {
		f.tail.next = &block[T]{items: make([]T, 0, min(2*size, maxBlock))}
		f.tail = f.tail.next
	}
	f.tail.items = append(f.tail.items, x)
	f.n++
}

// pop takes the oldest out. The queue must not be empty.
func (f *fifo[T]) pop() T {
	b := f.head
	x := b.items[b.read]
	clear(b.items[b.read : b.read+1])
	b.read++
	f.n--
	if b.read == len(b.items) {
		if b.next != nil {
			f.head = b.next
		} else {
			b.items, b.read = b.items[:0], 0
		}
	}
	return x
}

// front is the oldest. The queue must not be empty; the pointer is good until the next push or pop.
func (f *fifo[T]) front() *T { return &f.head.items[f.head.read] }

// back is the newest, on the same terms as front.
func (f *fifo[T]) back() *T { return &f.tail.items[len(f.tail.items)-1] }

// clear takes all out.
func (f *fifo[T]) clear() { *f = fifo[T]{} }

// sorted is a heap: its first is before all others.
type sorted[T interface{ before(T) bool }] []T

func (s *sorted[T]) push(x T) {
	*s = append(*s, x)
	h := *s
	for i := len(h) - 1; i > 0; {
		parent := (i - 1) / 2
		if !h[i].before(h[parent]) {
			return
		}
		h[i], h[parent] = h[parent], h[i]
		i = parent
	}
}

// pop takes the first out. There must be one.
func (s *sorted[T]) pop() T {
	h := *s
	first, last := h[0], len(h)-1
	h[0] = h[last]
	clear(h[last:])
	h = h[:last]
	for i := 0; ; {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < last; child++ {
			if h[child].before(h[least]) {
				least = child
			}
		}
		if least == i {
			break
		}
		h[i], h[least] = h[least], h[i]
		i = least
	}
	if *s = h; last == 0 {
		*s = nil // a burst's memory is not kept
	}
	return first
}
