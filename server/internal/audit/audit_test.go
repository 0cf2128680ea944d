package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// records collects what a JSON handler writes.
type records struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (r *records) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.b.Write(b)
}

func (r *records) all(t *testing.T) (all []map[string]any) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	for line := range strings.Lines(r.b.String()) {
		var record map[string]any
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		all = append(all, record)
	}
	return all
}

func TestWrite(t *testing.T) {
	var got records
	l := New(slog.NewJSONHandler(&got, nil))
	l.Write(slog.LevelInfo, "kick", "ops", "unix", slog.Int("kicked", 3), slog.Any("uids", List(make([]string, 20))))
	all := got.all(t)
	if len(all) != 1 || all[0]["msg"] != "audit" || all[0]["action"] != "kick" || all[0]["key"] != "ops" ||
		all[0]["from"] != "unix" || all[0]["kicked"] != 3.0 || len(all[0]["uids"].([]any)) != MostNames {
		t.Errorf("%v", all)
	}
	if l.Written() != 1 || l.Lost() != 0 || !l.On() {
		t.Errorf("%d written, %d lost", l.Written(), l.Lost())
	}
	if long := strings.Repeat("n", 200); Name(long) != long[:MostNameLen] || List([]string{long})[0] != long[:MostNameLen] {
		t.Error("a long name is written in full")
	}
	if New(nil).On() || New(slog.DiscardHandler).On() {
		t.Error("On without a handler")
	}
	full := New(slog.NewTextHandler(failing{}, nil))
	full.Write(slog.LevelInfo, "kick", "ops", "unix")
	if full.Written() != 0 || full.Lost() != 1 {
		t.Errorf("of one that failed, %d were written, %d lost", full.Written(), full.Lost())
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errors.New("disk full") }

// In a flood of refusals, some are recorded each second, with the number of those
// left out.
func TestRefusalsAreBounded(t *testing.T) {
	l, now := New(nil), time.Since(began)
	said, unsaid := 0, 0
	for range 5 { // seconds with a hundred refusals each
		for range 100 {
			n, ok := l.allowed(now)
			if ok {
				said++
			}
			unsaid += n
		}
		now += RefusalSpan
	}
	if said != 5*MostRefusals || unsaid != 4*(100-MostRefusals) {
		t.Errorf("%d written, %d reported as left out", said, unsaid)
	}
}

// The number of unrecorded refusals is reported even if no further refusal follows:
// after a delay, or at the end.
func TestRestIsTold(t *testing.T) {
	const all = 3 * MostRefusals
	for name, end := range map[string]func(l *Log){"clock": func(*Log) { time.Sleep(reportDelay) }, "end": (*Log).Flush} {
		synctest.Test(t, func(t *testing.T) {
			var got records
			l := New(slog.NewJSONHandler(&got, nil))
			for range all {
				l.Refused("-", "unix", slog.String("code", "unauthorized"))
			}
			end(l)
			synctest.Wait()
			written, told := 0, 0
			for _, r := range got.all(t) {
				if n, ok := r["refusals_not_written"].(float64); ok {
					told += int(n)
				}
				if _, ok := r["code"]; ok {
					written++
				}
			}
			if written != MostRefusals || written+told != all {
				t.Errorf("%s: %d recorded and %d reported as left out, of %d", name, written, told, all)
			}
		})
	}
}

// later is a handler that queues its records.
type later struct{ slog.Handler }

func (later) Written() uint64 { return 5 }
func (later) Dropped() uint64 { return 7 }

func TestAccounts(t *testing.T) {
	l := New(later{slog.NewTextHandler(&records{}, nil)})
	l.Write(slog.LevelInfo, "kick", "ops", "unix")
	if l.Written() != 5 || l.Lost() != 7 {
		t.Errorf("%d written, %d lost", l.Written(), l.Lost())
	}
}
