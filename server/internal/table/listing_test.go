package table

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
)

func TestPageOfNothing(t *testing.T) {
	names, counts, next, ok := New(1).Page("", 10)
	if len(names) != 0 || len(counts) != 0 || next != "" || !ok {
		t.Errorf("Page = %v, %v, %q, %v", names, counts, next, ok)
	}
}

func TestPageSizes(t *testing.T) {
	table := New(1)
	for i := range 5000 {
		table.Add(fmt.Sprint("name ", i), 1)
	}
	table.Add("", 1) // the Table accepts any name
	for _, limit := range []int{0, 1, 3, 100, 5000, 5001, 9999, math.MaxInt} {
		var all []string
		for cursor := ""; ; {
			names, counts, next, ok := table.Page(cursor, limit)
			if !ok || len(names) > max(limit, 1) || len(names) != len(counts) || len(names) == 0 {
				t.Fatalf("limit %d: %d names, %d counts, ok %v", limit, len(names), len(counts), ok)
			}
			if strings.Trim(next, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != "" {
				t.Fatalf("cursor %q is not safe in a URL", next)
			}
			all = append(all, names...)
			if cursor = next; next == "" {
				break
			}
		}
		slices.Sort(all)
		if n := len(slices.Compact(all)); n != 5001 {
			t.Errorf("limit %d: %d different names of 5001", limit, n)
		}
	}
}

func TestSmallest(t *testing.T) {
	var entries []*Entry
	for i := range 1000 {
		entries = append(entries, &Entry{name: fmt.Sprintf("%03d", i*617%1000)})
	}
	for _, c := range []struct {
		p     place
		n     int
		first int
		want  int
	}{
		{place{}, 1, 0, 1},
		{place{}, 2000, 0, 1000},
		{place{name: "499", set: true}, 30, 500, 30},
		{place{name: "989", set: true}, 30, 990, 10},
		{place{name: "999", set: true}, 30, 0, 0},
	} {
		got := c.p.smallest(entries, c.n)
		if len(got) != c.want {
			t.Errorf("%v: %d entries", c, len(got))
		}
		for i, e := range got {
			if want := fmt.Sprintf("%03d", i+c.first); e.name != want {
				t.Fatalf("%v: %q at %d", c, e.name, i)
			}
		}
	}
}

func TestForeignCursors(t *testing.T) {
	a, b := New(1), New(1)
	for i := range 100 {
		a.Add(fmt.Sprint(i), 1)
		b.Add(fmt.Sprint(i), 1)
	}
	_, _, cursor, _ := a.Page("", 10)
	if _, _, _, ok := a.Page(cursor, 10); !ok {
		t.Fatal("own cursor refused")
	}
	if _, _, _, ok := b.Page(cursor, 10); ok {
		t.Error("another table's cursor accepted")
	}
	for _, bad := range []string{"x", "!", "AAAA", "AAAAAAAA", "AAAAAAAAAAAA", cursor + "A", cursor[1:], cursor + "\n", a.cursor(shards, "1")} {
		if names, _, next, ok := a.Page(bad, 10); ok || len(names) != 0 || next != "" {
			t.Errorf("cursor %q accepted", bad)
		}
	}
}

// Whatever comes and goes, a name that stays is listed exactly once.
func TestPageDuringChurn(t *testing.T) {
	table := New(2)
	const stable = 3000
	for i := range stable {
		table.Add(fmt.Sprint("stable ", i), 1)
	}
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for w := range 2 {
		wg.Go(func() {
			var entries []*Entry
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				e, _ := table.Add(fmt.Sprint("churn ", w, i%10_000), MakeHandle(1, uint32(w), 1))
				if entries = append(entries, e); len(entries) == 5000 {
					for _, e := range entries {
						table.Remove(e, MakeHandle(1, uint32(w), 1))
					}
					entries = entries[:0]
				}
			}
		})
	}
	for _, limit := range []int{7, 100, 1000, 100_000} {
		seen := map[string]int{}
		for cursor := ""; ; {
			var ok bool
			var names []string
			var counts []int
			if names, counts, cursor, ok = table.Page(cursor, limit); !ok {
				t.Fatal("own cursor refused")
			}
			for i, name := range names {
				if counts[i] < 1 {
					t.Fatalf("%q has %d members", name, counts[i])
				}
				if strings.HasPrefix(name, "stable") {
					seen[name]++
				}
			}
			if cursor == "" {
				break
			}
		}
		if len(seen) != stable {
			t.Errorf("limit %d: %d stable names of %d", limit, len(seen), stable)
		}
		for name, n := range seen {
			if n != 1 {
				t.Errorf("limit %d: %q listed %d times", limit, name, n)
			}
		}
	}
	close(stop)
	wg.Wait()
}
