package verbs

import (
	"context"
	"errors"
	"testing"
	"time"

	"castgate/server/gateway"
	"castgate/server/internal/table"
)

// A query of a client whose loop is held up ends with its context, as an error
// and not as an answer that says nothing waits.
func TestQueryDeadline(t *testing.T) {
	s := startVerbs(t, 1)
	id := s.connect()
	held, release := make(chan struct{}), make(chan struct{})
	s.loops.Do(0, func() { close(held); <-release })
	<-held
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	if info, err := s.Client(ctx, id); !errors.Is(err, &gateway.Error{Code: gateway.CodeDeadline}) {
		t.Errorf("%+v, %v", info, err)
	}
	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := s.Client(canceled, id); !errors.Is(err, &gateway.Error{Code: gateway.CodeStopping}) {
		t.Errorf("%v", err)
	}
	close(release)
	if _, err := s.Client(context.Background(), id); err != nil {
		t.Errorf("with the loop going on: %v", err)
	}
}

// A listing narrowed to a large group looks at its context on the way.
func TestListingDeadline(t *testing.T) {
	s := startVerbs(t, 2)
	s.bind(s.connect(), "ann", "red")
	ctx, cancel := context.WithTimeout(context.Background(), 0)
	defer cancel()
	want := &gateway.Error{Code: gateway.CodeDeadline}
	if page, err := s.Clients(ctx, gateway.List{Group: "red"}); !errors.Is(err, want) || len(page.Rows) > 0 {
		t.Errorf("clients: %v, %v", page, err)
	}
	if page, err := s.UIDs(ctx, gateway.List{Group: "red"}); !errors.Is(err, want) || len(page.Rows) > 0 {
		t.Errorf("uids: %v, %v", page, err)
	}
	if page, err := s.Groups(ctx, gateway.List{UID: "ann"}); !errors.Is(err, want) || len(page.Rows) > 0 {
		t.Errorf("groups: %v, %v", page, err)
	}
	looked := 0
	for range until(ctx, s.loops.Registry.Groups.Snapshot("red")) {
		looked++
	}
	if looked != 0 {
		t.Errorf("%d members were looked at after the end", looked)
	}
	// In the middle of a set of ten thousand.
	names := table.New(1)
	for i := range 10_000 {
		names.Add("big", table.MakeHandle(0, uint32(i), 1))
	}
	middle, stop := context.WithCancel(context.Background())
	defer stop()
	for range until(middle, names.Snapshot("big")) {
		if looked++; looked == 3000 {
			stop()
		}
	}
	if looked < 3000 || looked > 3000+1024 {
		t.Errorf("%d members were looked at, want it to end soon after 3000", looked)
	}
}

// An answer that is cut off because its context has ended says so: it must not
// look like all there is.
func TestCutAnswersAreErrors(t *testing.T) {
	s := startVerbs(t, 2)
	s.bind(s.connect(), "ann", "red")
	ended, cancel := context.WithTimeout(context.Background(), 0)
	defer cancel()
	want := &gateway.Error{Code: gateway.CodeDeadline}
	if ids, err := s.Members(ended, gateway.Members{Group: "red"}); !errors.Is(err, want) || len(ids) > 0 {
		t.Errorf("members: %v, %v", ids, err)
	}
	for _, q := range []gateway.Each{{}, {Group: "red"}, {UID: "ann"}} {
		if err := s.Each(ended, q, func(gateway.ClientState) bool { return true }); !errors.Is(err, want) {
			t.Errorf("each of %+v: %v", q, err)
		}
	}
	for range rowStride {
		s.connect()
	}
	middle, stop := context.WithCancel(context.Background())
	defer stop()
	told := 0
	err := s.Each(middle, gateway.Each{}, func(gateway.ClientState) bool {
		told++
		stop()
		return true
	})
	if !errors.Is(err, &gateway.Error{Code: gateway.CodeStopping}) || told > rowStride {
		t.Errorf("%d of %d clients and %v", told, rowStride+1, err)
	}
	told = 0
	if err := s.Each(context.Background(), gateway.Each{}, func(gateway.ClientState) bool { told++; return true }); err != nil || told != rowStride+1 {
		t.Errorf("%d clients and %v", told, err)
	}
}
