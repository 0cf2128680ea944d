package cluster

import (
	"slices"
	"time"

	"castgate/server/cluster/internal/message"
	"castgate/server/cluster/internal/names"
	"castgate/server/gateway"
)

// Names are the uids and groups of this process's clients. It is a gateway.NameWatcher;
// a Node tells the others of them.
type Names struct {
	own    *names.Own
	hasher *names.Hasher
	wake   func()
	woken  chan struct{}
}

// NewNames returns names that are hashed under the keys of Config.Keys[0], none yet.
func NewNames(k Keys) *Names { return newNames(k, names.Faults{}) }

func newNames(k Keys, f names.Faults) *Names {
	n := &Names{hasher: names.NewHasher(k.names), woken: make(chan struct{}, 1)}
	n.wake = func() {
		select {
		case n.woken <- struct{}{}:
		default:
		}
	}
	n.own = names.NewOwn(func() { n.wake() }, f)
	return n
}

// filter knows which members may hold names.
type filter struct {
	*roster
	names   *Names // of this node; nil: nobody knows them
	hashers []*names.Hasher
	holds   holds // guarded by mu
}

func newFilter(c Config) *filter {
	n := &filter{roster: newRoster(c), names: c.Names}
	for i := range c.Keys {
		n.hashers = append(n.hashers, names.NewHasher(c.Keys[i].names))
	}
	n.beating, n.beaten = n.tellPosition, n.hearPosition
	return n
}

func (n *Names) hash(kind gateway.NameKind, name string) uint64 {
	if kind == gateway.GroupName {
		return n.hasher.Hash(names.Group, name)
	}
	return n.hasher.Hash(names.UID, name)
}

// NameBorn implements gateway.NameWatcher.
func (n *Names) NameBorn(kind gateway.NameKind, name string) { n.own.Born(n.hash(kind, name)) }

// NameGone implements gateway.NameWatcher.
func (n *Names) NameGone(kind gateway.NameKind, name string) { n.own.Gone(n.hash(kind, name)) }

// lingerTick is the unit in which names linger: they are kept for 10 seconds after
// their last client has gone, so that one who comes back costs no message.
const lingerTick = 10 * time.Second / 8

// tellEvery is how long changes of names are collected at least.
const tellEvery = 2 * time.Millisecond

// hashes are those of uids and groups under one of the keys.
func hashes(h *names.Hasher, uids, groups []string) []uint64 {
	list := make([]uint64, 0, len(uids)+len(groups))
	for _, u := range uids {
		list = append(list, h.Hash(names.UID, u))
	}
	for _, g := range groups {
		list = append(list, h.Hash(names.Group, g))
	}
	return list
}

// mostFiltered is the largest number of names that are looked up; with more of them,
// all members are asked.
const mostFiltered = 1024

// holders are the other members that may hold one of the names. That is known only
// while this node holds the leases of all: so it has not been voted out, and nobody
// has bound a client completely without this node hearing of it.
func (n *filter) holders(uids, groups []string) []message.Member {
	byKey := make([][]uint64, len(n.hashers))
	if len(uids)+len(groups) <= mostFiltered {
		for i, h := range n.hashers {
			byKey[i] = hashes(h, uids, groups)
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	others := n.others()
	if l := n.lacks(n.clock()); n.names == nil || !l.none() || len(uids)+len(groups) > mostFiltered {
		return others
	}
	all := len(others)
	others = slices.DeleteFunc(others, func(m message.Member) bool {
		p := n.peers[m]
		return p.namesKey >= 0 && !p.names.May(byKey[p.namesKey])
	})
	n.count.spared.Add(uint64(all - len(others)))
	return others
}

// tellPosition has a heartbeat tell up to where the others were told of names. The
// caller holds mu.
func (n *filter) tellPosition(h *message.Heartbeat) {
	if n.tellNames(); n.names != nil {
		h.Names, h.NamesKey = n.names.own.Told(), n.config.Keys[0].namesTag
	}
}

// tellNames tells the others of changes of this node's names. The caller holds mu.
func (n *filter) tellNames() {
	for n.names != nil {
		after, changes := n.names.own.Take()
		if len(changes) == 0 {
			return
		}
		m := message.Names{After: after, Changes: changes}
		n.sendAll(message.KindNames, m.Append)
	}
}

// lookAtNames removes names that have lingered, and asks for what is missing of those
// of others. The caller holds mu.
func (n *filter) lookAtNames(now int64) {
	if n.names != nil {
		n.names.own.Sweep(uint64(now / int64(lingerTick)))
	}
	var behind []*peer
	for _, p := range n.peers {
		if !p.names.Current() && !n.suspect(p, now) {
			behind = append(behind, p)
		}
	}
	slices.SortFunc(behind, func(a, b *peer) int { return a.member.Compare(b.member) })
	for _, p := range behind {
		n.wantNames(p, now)
	}
}

// wantNames asks a peer for names that are missing, if that was not done just now. The
// caller holds mu.
func (n *filter) wantNames(p *peer, now int64) {
	if p.names.Current() || p.names.Hopeless() || p.namesKey < 0 || n.names == nil || p.askedAt != 0 && now-p.askedAt < n.lease/12 {
		return
	}
	p.askedAt = now
	var q message.NamesWanted
	q.From, q.Part = p.names.Missing()
	if q.Part == 0 {
		n.count.resyncs.Add(1)
	}
	n.send(p.member, message.KindNamesWanted, q.Append)
}

// hearPosition takes in what a heartbeat says of its sender's names. The caller holds
// mu.
func (n *filter) hearPosition(p *peer, now int64) {
	p.namesKey = -1
	for i := range n.config.Keys {
		if n.config.Keys[i].namesTag == p.beat.NamesKey {
			p.namesKey = i
		}
	}
	p.names.Heard(p.beat.Names)
	if n.faults.ignoreGap {
		p.names.Skip(p.beat.Names)
	}
	n.wantNames(p, now)
	n.holds.look(n, now)
}

// takeNames takes in a message about names. The caller holds mu.
func (n *filter) takeNames(e message.Envelope, body []byte, now int64) error {
	p := n.peers[e.From]
	if p == nil {
		return nil // its heartbeat will come
	}
	switch e.Kind {
	case message.KindNames:
		m, err := message.DecodeNames(body)
		if err != nil {
			return err
		}
		n.onNames(p, &m, now)
	case message.KindNamesHeard:
		h, err := message.DecodeNamesHeard(body)
		if err != nil {
			return err
		}
		p.heardUpTo = max(p.heardUpTo, h.UpTo)
		n.holds.look(n, now)
	case message.KindNamesWanted:
		q, err := message.DecodeNamesWanted(body)
		if err != nil {
			return err
		}
		n.onNamesWanted(p, &q)
	case message.KindNamesPart:
		m, err := message.DecodeNamesPart(body)
		if err != nil {
			return err
		}
		p.names.Fill(m.Pos, m.Part, m.Next, m.Hashes)
		p.askedAt = 0
		n.wantNames(p, now)
	default:
		return message.ErrBody
	}
	return nil
}

// onNames takes in changes of another node's names, and says so if some wait for that.
func (n *filter) onNames(p *peer, m *message.Names, now int64) {
	if n.faults.ignoreGap {
		p.names.Skip(m.After)
	}
	p.names.Apply(m.After, m.Changes)
	if slices.ContainsFunc(m.Changes, func(c names.Change) bool { return !c.Removes() }) {
		h := message.NamesHeard{UpTo: p.names.Position()}
		n.send(p.member, message.KindNamesHeard, h.Append)
	}
	n.wantNames(p, now)
}

// onNamesWanted tells changes again, or a part of all names.
func (n *filter) onNamesWanted(p *peer, q *message.NamesWanted) {
	if n.names == nil {
		return
	}
	own := n.names.own
	if changes, ok := own.Since(q.From); ok {
		m := message.Names{After: q.From, Changes: changes}
		n.send(p.member, message.KindNames, m.Append)
		return
	}
	if q.From != 0 {
		q.Part = 0
	}
	m := message.NamesPart{Part: q.Part}
	m.Pos, m.Hashes, m.Next = own.Part(q.Part)
	n.send(p.member, message.KindNamesPart, m.Append)
}
