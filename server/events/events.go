// Package events tells backends over HTTP what clients do: at least once, those of
// one client in order, and also after a crash.
//
// What the server says (gateway.Watcher) waits in the inbox until the journal, one
// goroutine, has numbered it, made an event of it and written it to the store.
// From there each subscriber reads it, in lanes: the events of a client follow
// each other, those of different clients need not. So a backend that is slow or
// away costs disk, but neither memory nor anybody's time.
//
// Nobody is told of anything that the store does not hold safely. So whoever was
// told of a client is told of its end as well, after a crash by the next process.
package events

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"castgate/server/events/internal/sign"
	"castgate/server/events/internal/store"
	"castgate/server/internal/audit"
	"castgate/server/setting"
)

// Events is the queue with its subscribers: New, Start, then it watches clients,
// and at last Close. It implements gateway.Watcher.
type Events struct {
	config     Config
	log        *slog.Logger
	audit      *audit.Log
	now        func() time.Time
	steady     func() int64 // microseconds; it goes on evenly when the clock is set
	run        uint64       // stands for this process
	instance   string       // run as text
	source     string
	hidden     bool // what was not asked for is written, too, to say the end of clients
	quota      int64
	segmentLen int64

	store  *store.Store
	dead   *deadLetters
	inbox  *inbox
	moves  chan struct{} // capacity 1: a subscriber is further
	shared sharedIDs

	secrets     atomic.Pointer[[]sign.Secret]
	tokenQuery  atomic.Pointer[string]
	subscribers atomic.Pointer[[]*subscriber]
	targets     sync.Mutex // held while subscribers are changed
	room        room
	dropped     atomic.Uint64 // lower numbers are in the store no more
	count       counters
	held        heldClients
	host        atomic.Pointer[Host]

	journal journal
	looks   *looks // nil: this node is alone
	stop    chan struct{}
	written sync.WaitGroup // the journal
	looking sync.WaitGroup // what looks is run by
	// endLooks ends that; nil before Start and without a cluster.
	endLooks context.CancelFunc
	closed   atomic.Bool
	// ending: a queue in memory ends, so uids are said offline without delay. ended: they
	// have been.
	ending, ended atomic.Bool
}

// New opens the queue and says the end of clients of processes before, which are
// gone. An error is a *setting.Error or names the directory.
func New(c Config) (*Events, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	e := &Events{
		config: c, log: c.Log, audit: audit.New(c.Audit), now: c.Now, source: fmt.Sprintf("/castgate/nodes/%d", c.Node),
		inbox: newInbox(), moves: make(chan struct{}, 1), stop: make(chan struct{}), quota: c.Quota,
		hidden: c.Types.Has(Disconnected),
	}
	if e.log == nil {
		e.log = slog.New(slog.DiscardHandler)
	}
	if e.now == nil {
		e.now = time.Now
	}
	began := time.Now()
	e.steady = func() int64 { return time.Since(began).Microseconds() }
	var random [8]byte
	_, _ = rand.Read(random[:])
	if e.run = c.Instance; e.run == 0 {
		e.run = binary.LittleEndian.Uint64(random[:])
	}
	e.instance = instanceText(e.run)
	switch {
	case e.quota > 0:
	case c.Dir != "":
		e.quota = DefaultQuota
	default:
		e.quota = DefaultMemoryQuota
	}
	e.room.quota = e.quota
	e.segmentLen = min(max(e.quota/16, 64<<10), 16<<20)
	e.setTargets(&c.Targets)
	gaps, err := e.open()
	if err != nil {
		return nil, setting.Named("events-dir", err)
	}
	if err := e.begin(gaps); err != nil {
		return nil, setting.Named("events-dir", err)
	}
	return e, nil
}

// open opens the store and the dead letters.
func (e *Events) open() (gaps []store.Gap, err error) {
	var files, deadFiles store.Files = store.NewMemory(), store.NewMemory()
	if e.config.Dir != "" {
		open := e.config.openDirectory
		if open == nil {
			open = func(path string) (store.Files, error) { return store.OpenDirectory(path) }
		}
		if files, err = open(e.config.Dir); err != nil {
			return nil, err
		}
		if deadFiles, err = open(filepath.Join(e.config.Dir, "dead")); err != nil {
			return nil, err
		}
	}
	if e.store, gaps, err = store.Open(store.Options{Files: files, SegmentLen: e.segmentLen, Log: e.log, Now: e.now}); err != nil {
		return nil, fmt.Errorf("%s: %w", e.config.Dir, err)
	}
	letters, _, err := store.Open(store.Options{Files: deadFiles, SegmentLen: 1 << 20, Log: e.log, Now: e.now})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(e.config.Dir, "dead"), err)
	}
	e.dead, err = openDead(letters)
	return gaps, err
}

// begin reads what is left of processes before and writes what is to be said of
// it.
func (e *Events) begin(gaps []store.Gap) error {
	left, err := survey(e.store)
	if err != nil {
		return err
	}
	j := &e.journal
	j.events, j.store, j.inbox, j.ledger.clients = e, e.store, e.inbox, map[uint64]standing{}
	j.encoder.source, j.encoder.instance = e.source, e.instance
	if e.config.Types.Has(UIDOnline) || e.config.Types.Has(UIDOffline) {
		j.present = newPresence(e.config.OfflineAfter)
	}
	places := findPlaces(e.config.URLs, left.places, e.store.Next())
	if len(left.places) == 0 {
		for i := range places { // from the first event that there is
			for l := range places[i].Lanes {
				places[i].Lanes[l] = e.store.First()
			}
		}
	}
	e.dropped.Store(e.store.First())
	var list []*subscriber
	for i, url := range e.config.URLs {
		list = append(list, newSubscriber(e, url, places[i]))
	}
	e.subscribers.Store(&list)
	if err := j.sayLeft(left, gaps); err != nil {
		return err
	}
	j.measure() // what a process before has left takes room, too
	return nil
}

// Start begins to write and to send. Call it once.
func (e *Events) Start() {
	e.written.Go(func() { e.journal.run(e.stop) })
	if e.looks != nil {
		ctx, cancel := context.WithCancel(context.Background())
		e.looking.Go(func() { e.looks.run(ctx, e.inbox.ring) })
		e.endLooks = cancel
	}
	for _, s := range *e.subscribers.Load() {
		s.start()
	}
}

// Close writes what has happened, gives the subscribers until ctx is done to be
// told, and ends. With a directory nothing is lost that is not told then. Its error is in
// the log already.
func (e *Events) Close(ctx context.Context) error {
	e.closed.Store(true)
	if e.looks == nil && e.config.Dir == "" { // there is no next start that could say it
		e.ending.Store(true)
		e.inbox.ring()
	}
	others := time.Now().Add(lookPatience)
	for e.busy(time.Now().Before(others)) && ctx.Err() == nil {
		if !sleep(ctx, 10*time.Millisecond) {
			break
		}
	}
	if e.endLooks != nil {
		e.endLooks()
		e.looking.Wait()
	}
	e.targets.Lock()
	defer e.targets.Unlock()
	for _, s := range *e.subscribers.Load() {
		s.leave() // all at once
	}
	for _, s := range *e.subscribers.Load() {
		s.stop(ctx)
	}
	close(e.stop)
	e.written.Wait()
	if left, n := e.left(); left > 0 && e.config.Dir == "" {
		e.log.Warn("events that were not delivered are lost, since there is no events-dir", "events", n, "subscribers", left)
	}
	if n := e.journal.unwritten(); n > 0 {
		e.log.Error("events could not be written before the stop and are lost", "events", n)
	}
	e.journal.clear()
	e.journal.wrote = time.Time{}
	e.journal.writePlaces(e.now())
	err := e.journal.append()
	if closing := e.store.Close(); err == nil {
		err = closing
	}
	if closing := e.dead.store.Close(); err == nil {
		err = closing
	}
	if err != nil {
		e.log.Error("the position in the event queue could not be written; some events may be delivered again", "err", err)
	}
	return err
}

// lookPatience is how long the end waits for other nodes to take over what this one
// knows of uids: there may be none.
const lookPatience = time.Second

// busy tells whether something has not been written, or not been told although its
// subscriber takes events; with others also, whether other nodes have to know more.
func (e *Events) busy(others bool) bool {
	if e.inbox.waiting() > 0 || others && e.looks.busy() || e.journal.writing.Load() {
		return true // in this order: what the inbox has no more is being written
	}
	if e.ending.Load() && !e.ended.Load() {
		return true
	}
	for _, s := range *e.subscribers.Load() {
		if s.behind() && !s.paused.Load() && (s.count.failing.Load() == 0 || e.config.Dir == "") {
			return true // what is on disk need not wait for a backend that is away
		}
	}
	return false
}

// lowest is the lowest number that a subscriber was not told of.
func (e *Events) lowest() uint64 {
	n := e.store.Next()
	for _, s := range *e.subscribers.Load() {
		p := s.place()
		n = min(n, p.lowest())
	}
	return n
}

// SetTargets replaces URLs and secrets while events are sent. Subscribers that are
// there before and after keep their place, and go on if they were paused. An
// error has changed nothing. Any goroutine.
func (e *Events) SetTargets(t Targets) error {
	if err := t.Validate(); err != nil {
		return err
	}
	e.targets.Lock()
	defer e.targets.Unlock()
	e.setTargets(&t)
	before := map[string]*subscriber{}
	var known []place
	e.dismiss(t.URLs)
	for _, s := range *e.subscribers.Load() {
		before[s.url] = s
		known = append(known, s.place())
	}
	places := findPlaces(t.URLs, known, e.store.Next())
	var list, fresh []*subscriber
	for i, url := range t.URLs {
		s := before[url]
		if s == nil {
			s = newSubscriber(e, url, places[i])
			fresh = append(fresh, s)
		}
		list = append(list, s)
	}
	e.subscribers.Store(&list)
	for _, s := range fresh {
		s.start()
	}
	for _, s := range list {
		s.resume()
	}
	e.placesMoved()
	return nil
}

// reloadPatience is how long a reload waits for answers of subscribers that it removes.
const reloadPatience = time.Second

// dismiss ends all subscribers but some. It comes before their places are looked at: what
// is under way may still be accepted.
func (e *Events) dismiss(stay []string) {
	ctx, cancel := context.WithTimeout(context.Background(), reloadPatience)
	defer cancel()
	var gone []*subscriber
	for _, s := range *e.subscribers.Load() {
		if !slices.Contains(stay, s.url) {
			s.leave() // all at once
			gone = append(gone, s)
		}
	}
	for _, s := range gone {
		s.stop(ctx)
	}
}

// setTargets takes over what is not a URL.
func (e *Events) setTargets(t *Targets) {
	secrets, _ := readSecrets(t.Secrets) // Validate has read them
	e.tokenQuery.Store(&t.TokenQuery)
	e.secrets.Store(&secrets)
}

// auditPause records that a backend has asked for no more.
func (e *Events) auditPause(s *subscriber) {
	if e.audit.On() {
		e.audit.Write(slog.LevelWarn, "events_paused", "-", shown(s.url))
	}
}
