package frames

// Node is one frame waiting for one client: a link of the client's list.
type Node struct {
	Frame *Frame
	Next  uint32
}

const PoolChunk = 4096

// Pool holds a loop's nodes, so that a delivery allocates nothing. Number
// 0 is no node. Chunks are given back when nothing waits any more.
type Pool struct {
	chunks []*[PoolChunk]Node
	free   uint32 // first free node; 0: none
	fresh  uint32 // nodes below this one have been used
	Used   int
}

func (p *Pool) At(n uint32) *Node {
	n--
	return &p.chunks[n/PoolChunk][n%PoolChunk]
}

func (p *Pool) Get(f *Frame) uint32 {
	n := p.free
	if n != 0 {
		nd := p.At(n)
		p.free = nd.Next
		*nd = Node{Frame: f}
	} else {
		if int(p.fresh) == len(p.chunks)*PoolChunk {
			p.chunks = append(p.chunks, new([PoolChunk]Node))
		}
		p.fresh++
		n = p.fresh
		p.At(n).Frame = f
	}
	p.Used++
	return n
}

func (p *Pool) Put(n uint32) {
	*p.At(n) = Node{Next: p.free}
	p.free = n
	if p.Used--; p.Used == 0 && len(p.chunks) > 1 {
		p.chunks, p.free, p.fresh = nil, 0, 0
	}
}
