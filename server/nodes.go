package server

import "castgate/server/frames"

// node is one frame waiting for one client: a link of the client's list.
type node struct {
	frame *frames.Frame
	next  uint32
}

const nodeChunkLen = 4096

// nodePool holds a loop's nodes, so that a delivery allocates nothing. Number
// 0 is no node. Chunks are given back when nothing waits any more.
type nodePool struct {
	chunks []*[nodeChunkLen]node
	free   uint32 // first free node; 0: none
	fresh  uint32 // nodes below this one have been used
	used   int
}

func (p *nodePool) at(n uint32) *node {
	n--
	return &p.chunks[n/nodeChunkLen][n%nodeChunkLen]
}

func (p *nodePool) get(f *frames.Frame) uint32 {
	n := p.free
	if n != 0 {
		nd := p.at(n)
		p.free = nd.next
		*nd = node{frame: f}
	} else {
		if int(p.fresh) == len(p.chunks)*nodeChunkLen {
			p.chunks = append(p.chunks, new([nodeChunkLen]node))
		}
		p.fresh++
		n = p.fresh
		p.at(n).frame = f
	}
	p.used++
	return n
}

func (p *nodePool) put(n uint32) {
	*p.at(n) = node{next: p.free}
	p.free = n
	if p.used--; p.used == 0 && len(p.chunks) > 1 {
		p.chunks, p.free, p.fresh = nil, 0, 0
	}
}
