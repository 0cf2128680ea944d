package events

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sys/unix"

	"castgate/server/events/internal/store"
	"castgate/server/gateway"
)

// disk is where a queue's directories are in a test: it may hang, or be full.
type disk struct {
	mu   sync.Mutex
	full bool
	hung chan struct{} // not nil: what is written waits until it is closed
}

func (d *disk) open(path string) (store.Files, error) {
	files, err := store.OpenDirectory(path)
	return diskFiles{files, d}, err
}

// hang has everything wait that is written from now on, until the returned function
// is called.
func (d *disk) hang() (goOn func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.hung = make(chan struct{})
	return sync.OnceFunc(func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		close(d.hung)
		d.hung = nil
	})
}

func (d *disk) fill(full bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.full = full
}

// pass is what becomes of a call that writes.
func (d *disk) pass() error {
	d.mu.Lock()
	full, hung := d.full, d.hung
	d.mu.Unlock()
	if hung != nil {
		<-hung
	}
	if full {
		return unix.ENOSPC
	}
	return nil
}

type diskFiles struct {
	store.Files
	disk *disk
}

func (d diskFiles) Create(name string) (store.File, error) {
	if err := d.disk.pass(); err != nil {
		return nil, err
	}
	f, err := d.Files.Create(name)
	return diskFile{f, d.disk}, err
}

func (d diskFiles) Open(name string) (store.File, error) {
	f, err := d.Files.Open(name)
	return diskFile{f, d.disk}, err
}

type diskFile struct {
	store.File
	disk *disk
}

func (f diskFile) WriteAt(b []byte, at int64) (int, error) {
	if err := f.disk.pass(); err != nil {
		n, _ := f.File.WriteAt(b[:len(b)/2], at) // as far as there is room
		return n, err
	}
	return f.File.WriteAt(b, at)
}

func (f diskFile) Sync() error {
	if err := f.disk.pass(); err != nil {
		return err
	}
	return f.File.Sync()
}

// While a disk hangs, nobody who says something waits, nor who asks for figures or
// reloads; and nobody is told of what is not safe yet. All comes when the disk goes on.
func TestHungDisk(t *testing.T) {
	b, d := newBackend(t), &disk{}
	c := config(b.url)
	c.Dir, c.openDirectory, c.Types = filepath.Join(t.TempDir(), "events"), d.open, c.Types|1<<Message
	held := &resumed{keys: make(chan uint64, 10)}
	e := startFor(t, c, held)
	goOn := d.hang()
	t.Cleanup(goOn)
	const clients = 200
	for n := range clients { // the test would not end if one of these waited
		life(e, n+1)
	}
	talker := client(clients + 1)
	e.Connected(talker, nil)
	sent, taking := 0, gateway.Taken
	for ; taking == gateway.Taken; sent++ {
		taking = e.Message(talker, false, []byte(strings.Repeat("m", 100_000)))
	}
	if taking != gateway.TakenEnough {
		t.Errorf("a client that sends more than there is room for: %d", taking)
	}
	figures := make(chan prometheus.Metric, 1000)
	e.Collect(figures)
	if e.Backlog(); len(figures) == 0 {
		t.Error("no figures")
	}
	if page, err := e.Events(t.Context(), gateway.EventQuery{}); err != nil || len(page.Events) != 0 {
		t.Errorf("%+v, %v", page, err)
	}
	if err := e.SetTargets(c.Targets); err != nil {
		t.Error(err)
	}
	if n := b.asked(); n != 0 {
		t.Errorf("%d requests with events that are not safe", n)
	}
	goOn()
	inOrder(t, b.await(4*clients+1+sent))
	<-held.keys // the client is read again
}

// What cannot be set aside because the disk hangs holds up neither the figures nor the
// events of others.
func TestHungDiskOfDeadLetters(t *testing.T) {
	b, d := newBackend(t), &disk{}
	b.answers(func(w http.ResponseWriter, _ *http.Request, body []byte, _ []event) bool {
		if strings.Contains(string(body), `"poison"`) {
			w.WriteHeader(http.StatusTeapot)
			return true
		}
		return false
	})
	c := config(b.url)
	c.Dir = filepath.Join(t.TempDir(), "events")
	c.openDirectory = func(path string) (store.Files, error) {
		if strings.HasSuffix(path, "dead") {
			return d.open(path)
		}
		return store.OpenDirectory(path)
	}
	e := start(t, c)
	goOn := d.hang()
	t.Cleanup(goOn)
	bad := client(1_000_001)
	bad.UID = "poison"
	e.Connected(bad, nil)
	s := (*e.subscribers.Load())[0]
	dead := func() bool { return !e.dead.mu.TryLock() } // the letter is being written
	for n, lives := 1, 0; ; n++ {
		if laneOf(uint64(n)) == laneOf(bad.Key) {
			continue
		}
		life(e, n)
		lives++
		b.await(4 * lives)
		if dead() {
			break
		}
		e.dead.mu.Unlock()
	}
	e.Collect(make(chan prometheus.Metric, 1000))
	if n, _ := e.dead.len(); n != 0 || s.count.dead.Load() != 0 {
		t.Errorf("%d events are set aside before that is safe", n)
	}
	goOn()
	until(t, "the poison is set aside", func() bool { n, _ := e.dead.len(); return n == 1 })
}

// A full disk is said once and counted; what happens meanwhile is written and told when
// there is room.
func TestFullDisk(t *testing.T) {
	b, d, said := newBackend(t), &disk{}, &lines{}
	c := config(b.url)
	c.Dir, c.openDirectory, c.Log = filepath.Join(t.TempDir(), "events"), d.open, slog.New(slog.NewTextHandler(said, nil))
	e := start(t, c)
	life(e, 1)
	b.await(4)
	d.fill(true)
	const clients = 300
	for n := range clients {
		life(e, n+2)
	}
	until(t, "the disk is found full", func() bool { return e.count.stuck.Load() && e.count.writeErrors.Load() > 1 })
	until(t, "the figures say so", func() bool { // what waits in memory has some hundred bytes an event
		b := e.Backlog()
		return b.Stuck && b.QueueBytes > 4*clients*100 && e.unwritten() > 4*clients*100
	})
	d.fill(false)
	inOrder(t, b.await(4*(clients+1)))
	until(t, "that is over", func() bool { return !e.count.stuck.Load() && strings.Contains(said.String(), "written again") })
	text := said.String()
	for _, want := range []string{"events cannot be written; trying again", "no space left on device", "events are written again"} {
		if strings.Count(text, want) != 1 {
			t.Errorf("the log says %q, want %q once", text, want)
		}
	}
	c.Dir = crashed(t, c.Dir)
	end(t, e)
	again := start(t, c)
	life(again, 1000)
	if got := b.await(4 * (clients + 2)); len(got) != 4*(clients+2) {
		t.Errorf("%d events, want %d", len(got), 4*(clients+2))
	}
}

// A file of the queue that is damaged is moved aside and said; how many events are
// missing is told, and everything else goes on.
func TestDamagedFile(t *testing.T) {
	b, said := newBackend(t), &lines{}
	c := config(b.url)
	c.Dir, c.Quota = filepath.Join(t.TempDir(), "events"), MinQuota
	e := start(t, c)
	const clients = 200
	for n := range clients {
		life(e, n+1)
	}
	// Clients' events come side by side: the first that was written has the lowest number.
	first := slices.MinFunc(b.await(4*clients), func(a, b event) int { return cmp.Compare(numberOf(t, a), numberOf(t, b)) })
	if err := e.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(c.Dir, "*.log"))
	if err != nil || len(files) < 2 {
		t.Fatalf("files %v, %v", files, err)
	}
	text, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.LastIndex(text[:len(text)/2], []byte("peer_closed")) // within an event
	if at < 0 {
		t.Fatal("no event has its reason in the file")
	}
	text[at] ^= 1
	if err := os.WriteFile(files[0], text, 0o600); err != nil {
		t.Fatal(err)
	}
	c.Log = slog.New(slog.NewTextHandler(said, nil))
	again := start(t, c)
	life(again, clients+1)
	// Besides the loss itself, the client whose end is damaged is told to have gone once more.
	got := b.await(4*(clients+1) + 2)
	lost := 0
	for _, ev := range got {
		if ev.Type == Lost.String() {
			lost += ev.Data.Count
			if ev.Data.Reason != "damaged" {
				t.Errorf("lost for the reason %q", ev.Data.Reason)
			}
		}
	}
	if lost != 1 {
		t.Errorf("%d events are told to be lost, want 1", lost)
	}
	aside, err := filepath.Glob(filepath.Join(c.Dir, "damaged-*"))
	if err != nil || len(aside) != 1 || !strings.Contains(said.String(), "the event log is damaged") {
		t.Errorf("moved aside: %v, %v; said: %s", aside, err, said)
	}
	if n, err := again.rewind(t.Context(), first.ID); err != nil || n.Queued < 4*clients-1 {
		t.Errorf("%s", fmt.Sprint(n, err))
	}
}

// numberOf is the number in an event's id.
func numberOf(t *testing.T, ev event) uint64 {
	t.Helper()
	n, err := strconv.ParseUint(ev.ID[strings.LastIndexByte(ev.ID, '-')+1:], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
