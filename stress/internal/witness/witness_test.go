package witness

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// told POSTs events, each written as type, client, sequence and id.
func told(t *testing.T, w *Witness, events ...string) int {
	t.Helper()
	var list []string
	for _, text := range events {
		var kind, subject, id string
		sequence := 0
		if _, err := fmt.Sscan(text, &kind, &subject, &sequence, &id); err != nil {
			t.Fatal(err)
		}
		list = append(list, fmt.Sprintf(`{"id":%q,"type":"castgate.%s","subject":%q,"sequence":%d,"data":{"text":"0","uid":"u","count":3}}`, id, kind, subject, sequence))
	}
	answer := httptest.NewRecorder()
	w.ServeHTTP(answer, httptest.NewRequest(http.MethodPost, "/", strings.NewReader("["+strings.Join(list, ",")+"]")))
	return answer.Code
}

// Events that are in order are no fault, and neither are repeated ones.
func TestWitnessKnows(t *testing.T) {
	w := New()
	life := []string{"client.connected a 1 x", "client.bound a 2 y", "client.message a 3 z", "uid.online u 0 o", "events.lost - 0 l"}
	told(t, w, life...)
	told(t, w, life...)
	told(t, w, "client.disconnected a 4 d", "client.connected b 1 e")
	if l := w.Of("a"); l == nil || !l.Ended || l.UID != "u" || l.Messages != 1 {
		t.Errorf("%+v", l)
	}
	if s := w.Sums(); s != (Sums{Events: 7, Again: 5, Lost: 3, Clients: 2, There: 1, Online: 1, Requests: 3}) {
		t.Errorf("%+v, %q", s, w.Wrong())
	}
}

func TestWitnessNotices(t *testing.T) {
	for _, events := range [][]string{
		{"client.bound a 1 x"},
		{"client.connected a 1 x", "client.bound a 3 y"},
		{"client.connected a 1 x", "client.connected a 1 y"},
		{"client.connected a 1 x", "client.connected a 2 y"},
		{"client.connected a 1 x", "client.message a 2 y", "client.message a 3 z"},
		{"client.connected a 1 x", "client.disconnected a 2 y", "client.bound a 3 z"},
		{"uid.online u 0 x", "uid.online u 0 y"},
		{"uid.offline u 0 x"},
		{"uid.nothing u 0 x"},
		{"client.connected a 1 x", "client.nothing u 2 x"},
	} {
		w := New()
		if told(t, w, events...); w.Sums().Wrongs == 0 {
			t.Errorf("%q are no fault", events)
		}
	}
}

// A bad answer says nothing of whether the events were taken.
func TestMoods(t *testing.T) {
	for mood, want := range map[Mood]struct{ status, events int }{
		Good: {204, 1}, Broken: {500, 0}, TakeBroken: {500, 1}, Elsewhere: {307, 0}, Throttling: {429, 0}, Slow: {204, 1},
	} {
		w := New()
		w.Be(mood)
		if status := told(t, w, "client.connected a 1 x"); status != want.status || w.Sums().Events != want.events {
			t.Errorf("mood %d: status %d, %+v", mood, status, w.Sums())
		}
	}
}
