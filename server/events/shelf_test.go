package events

import (
	"bytes"
	"fmt"
	"testing"
)

// Bodies stay what they were until they are taken, and blocks are used again.
func TestShelf(t *testing.T) {
	var s shelf
	type kept struct {
		want, body []byte
		block      *block
	}
	var queue []kept
	blocks := map[*block]bool{}
	for n := range 20_000 {
		want := []byte(fmt.Sprintf("%d%s", n, bytes.Repeat([]byte{'x'}, n%700)))
		if n%5000 == 0 {
			want = make([]byte, blockLen+1)
		}
		body, k := s.put(want)
		if k == nil != (len(want) > blockLen) {
			t.Fatalf("a body of %d bytes is in a block: %t", len(want), k != nil)
		}
		if k != nil {
			blocks[k] = true
		}
		if queue = append(queue, kept{want, body, k}); len(queue) == 300 {
			for _, q := range queue[:n%300+1] {
				if !bytes.Equal(q.body, q.want) {
					t.Fatalf("%.20q has become %.20q", q.want, q.body)
				}
				s.took(q.block)
			}
			queue = append(queue[:0], queue[n%300+1:]...)
		}
	}
	// 300 bodies of at most 705 bytes fit into 7 blocks, with one that is begun.
	if len(blocks) > 9 {
		t.Errorf("%d blocks for 300 bodies", len(blocks))
	}
}

// What is under way when a lane goes back is still what it was when more comes.
func TestBodiesOfARewoundLane(t *testing.T) {
	l := &lane{wake: make(chan struct{}, 1), mostBytes: laneBytes, batch: 10, size: 10, next: 1}
	give := func(from uint64) {
		for n := from; n < from+10; n++ {
			l.push(item{number: n, key: 1}, fmt.Appendf(nil, "body %d", n))
		}
		l.next = from + 10
	}
	give(1)
	batch := l.first()
	l.rewind(1)
	give(11)
	for i, it := range batch {
		if want := fmt.Sprintf("body %d", i+1); string(it.body) != want {
			t.Errorf("%s has become %s", want, it.body)
		}
	}
	if l.done(len(batch)) {
		t.Error("a batch counts as told that was taken before the lane went back")
	}
}
