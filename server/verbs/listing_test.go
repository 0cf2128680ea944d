package verbs

import (
	"fmt"
	"strings"
	"testing"

	"castgate/server/gateway"
)

// A page of clients whose rows are large ends early, and the next one goes on
// behind it: a thousand rows would be gigabytes.
func TestLargeRows(t *testing.T) {
	s := startVerbs(t, 1)
	groups := make([]string, gateway.MaxGroupsPerClient)
	for i := range groups {
		groups[i] = fmt.Sprintf("%05d", i) + strings.Repeat("g", gateway.MaxNameLen-5)
	}
	const clients = 5
	for range clients {
		s.bind(s.connect(), "ann", groups...)
	}
	for _, q := range []gateway.List{{}, {Group: groups[0]}, {UID: "ann", Limit: clients}} {
		seen := map[string]bool{}
		var pages []int
		for {
			page, err := s.Clients(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			pages = append(pages, len(page.Rows))
			for _, row := range page.Rows {
				seen[row.ClientID] = true
				if len(row.Groups) != len(groups) {
					t.Errorf("%d groups", len(row.Groups))
				}
			}
			if q.Cursor = page.Next; q.Cursor == "" {
				break
			}
		}
		if fmt.Sprint(pages) != "[2 2 1]" || len(seen) != clients {
			t.Errorf("pages of %v, %d clients, want [2 2 1] of %d", pages, len(seen), clients)
		}
	}
}
