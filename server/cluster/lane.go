package cluster

import (
	"sync"

	"castgate/server/cluster/internal/message"
)

// executor carries out requests of other nodes.
type executor interface {
	// run has a job done. Those of one peer that are not slow are done in their order.
	// size is what it holds, in bytes. False if there is no room for it.
	run(peer message.Member, slow bool, size int, job func()) bool
	// drop forgets a peer that is gone.
	drop(peer message.Member)
	end()
}

// Limits of what other nodes have asked for and is not done yet.
const (
	laneJobs  = 4096     // of one peer, in their order
	laneBytes = 64 << 20 // of one peer
	slowJobs  = 256      // of all peers
)

// lanes is an executor: a goroutine for each peer, and one for each slow job. A
// slow job is one that waits for clients, other nodes or a long listing.
type lanes struct {
	mu     sync.Mutex // guards all below
	byPeer map[message.Member]*lane
	slow   int
	ended  bool
	work   sync.WaitGroup
}

type lane struct {
	jobs  chan laneJob
	bytes int // guarded by lanes.mu
}

type laneJob struct {
	size int
	do   func()
}

func newLanes() *lanes { return &lanes{byPeer: map[message.Member]*lane{}} }

func (l *lanes) run(peer message.Member, slow bool, size int, job func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.ended:
		return false
	case slow:
		if l.slow >= slowJobs {
			return false
		}
		l.slow++
		l.work.Go(func() {
			job()
			l.mu.Lock()
			l.slow--
			l.mu.Unlock()
		})
		return true
	}
	one := l.byPeer[peer]
	if one == nil {
		one = &lane{jobs: make(chan laneJob, laneJobs)}
		l.byPeer[peer] = one
		l.work.Go(func() { l.serve(one) })
	}
	if one.bytes+size > laneBytes && one.bytes > 0 {
		return false
	}
	select {
	case one.jobs <- laneJob{size, job}:
		one.bytes += size
		return true
	default:
		return false
	}
}

func (l *lanes) serve(one *lane) {
	for j := range one.jobs {
		j.do()
		l.mu.Lock()
		one.bytes -= j.size
		l.mu.Unlock()
	}
}

func (l *lanes) drop(peer message.Member) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if one := l.byPeer[peer]; one != nil {
		delete(l.byPeer, peer)
		close(one.jobs)
	}
}

func (l *lanes) end() {
	l.mu.Lock()
	l.ended = true
	for peer, one := range l.byPeer {
		delete(l.byPeer, peer)
		close(one.jobs)
	}
	l.mu.Unlock()
	l.work.Wait()
}
