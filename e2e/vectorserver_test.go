package e2e

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"castgate/internal/wstest"
)

// vectorServer answers the requests of one vector in order.
type vectorServer struct {
	address string
	key     string

	mu          sync.Mutex
	left        []vectorExchange
	problems    []string
	connections int
	ended       chan struct{} // closed by finish: answers that hang end
}

func newVectorServer(t *testing.T, key string, v *clientVector) *vectorServer {
	t.Helper()
	s := &vectorServer{key: key, ended: make(chan struct{})}
	for _, call := range append([]vectorCall{v.vectorCall}, v.Then...) {
		s.left = append(s.left, call.exchanges()...)
	}
	if v.Refused {
		s.address = wstest.FreeAddr(t)
		return s
	}
	server := httptest.NewUnstartedServer(s)
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			s.mu.Lock()
			s.connections++
			s.mu.Unlock()
		}
	}
	server.Start()
	t.Cleanup(server.CloseClientConnections)
	s.address = server.Listener.Addr().String()
	return s
}

func (s *vectorServer) finish(t *testing.T, v *clientVector) {
	t.Helper()
	close(s.ended)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, problem := range s.problems {
		t.Errorf("%s: %s", v.Name, problem)
	}
	if len(s.left) > 0 {
		t.Errorf("%s: %d requests have not come", v.Name, len(s.left))
	}
	if v.Connections > 0 && s.connections != v.Connections {
		t.Errorf("%s: %d connections, want %d", v.Name, s.connections, v.Connections)
	}
}

// ServeHTTP compares a request with the next one of the vector, and answers it.
func (s *vectorServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	s.mu.Lock()
	if len(s.left) == 0 {
		s.problems = append(s.problems, fmt.Sprintf("one request too many: %s %s %s", r.Method, r.RequestURI, body))
		s.mu.Unlock()
		w.WriteHeader(http.StatusTeapot)
		return
	}
	next := s.left[0]
	s.left = s.left[1:]
	if problem := next.Request.differs(r, body, s.key); problem != "" || err != nil {
		s.problems = append(s.problems, fmt.Sprintf("%s (%v)", problem, err))
	}
	s.mu.Unlock()
	next.Answer.write(w, s.ended)
}

// differs says in what a request is not as it should be.
func (q *vectorRequest) differs(r *http.Request, body []byte, key string) string {
	if r.Method != q.Method || r.URL.Path != q.Path || q.RawPath != "" && r.URL.EscapedPath() != q.RawPath {
		return fmt.Sprintf("request is %s %s, want %s %s%s", r.Method, r.RequestURI, q.Method, q.Path, q.RawPath)
	}
	if query := r.URL.Query(); len(query)+len(q.Query) > 0 && !reflect.DeepEqual(query, q.Query) {
		return fmt.Sprintf("query is %v, want %v", query, q.Query)
	}
	if got := r.Header.Get("Authorization"); got != "Bearer "+key {
		return fmt.Sprintf("Authorization is %q", got)
	}
	if got := r.Header.Get("Accept"); q.Accept != "" && got != q.Accept {
		return fmt.Sprintf("Accept is %q, want %q", got, q.Accept)
	}
	kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	switch {
	case q.Lines != nil:
		return q.differsLines(kind, body)
	case q.Body != nil:
		var got any
		if err := json.Unmarshal(body, &got); err != nil || kind != "application/json" || !reflect.DeepEqual(got, q.Body) {
			return fmt.Sprintf("body is %s (%s, %v), want %v", body, kind, err, q.Body)
		}
		return ""
	}
	want := []byte(q.Text)
	if q.Base64 != "" {
		want, _ = base64.StdEncoding.DecodeString(q.Base64)
	}
	if string(body) != string(want) {
		return fmt.Sprintf("body is %q, want %q", body, want)
	}
	return ""
}

func (q *vectorRequest) differsLines(kind string, body []byte) string {
	if kind != "application/x-ndjson" {
		return fmt.Sprintf("Content-Type is %q", kind)
	}
	var got []any
	for line := range strings.Lines(string(body)) {
		var one any
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			return fmt.Sprintf("line %q: %v", line, err)
		}
		got = append(got, one)
	}
	if !reflect.DeepEqual(got, q.Lines) {
		return fmt.Sprintf("lines are %s, want %v", body, q.Lines)
	}
	return ""
}

// write answers, or does what the fault says.
func (a *vectorAnswer) write(w http.ResponseWriter, ended <-chan struct{}) {
	for name, value := range a.Headers {
		w.Header().Set(name, value)
	}
	var text []byte
	switch {
	case a.Lines != nil:
		w.Header().Set("Content-Type", "application/x-ndjson")
		for _, line := range a.Lines {
			one, _ := json.Marshal(line) // it has been read from JSON
			text = append(append(text, one...), '\n')
		}
	case a.Body != nil:
		w.Header().Set("Content-Type", "application/json")
		if a.Status >= 400 {
			w.Header().Set("Content-Type", "application/problem+json")
		}
		text, _ = json.Marshal(a.Body) // it has been read from JSON
	default:
		text = []byte(a.Text)
	}
	if raw, ok := a.raw(text); ok {
		sendRaw(w, raw)
		return
	}
	switch a.Fault {
	case "close":
		panic(http.ErrAbortHandler)
	case "late":
		select {
		case <-time.After(500 * time.Millisecond): // longer than the time-out of the client
		case <-ended:
		}
		w.Write(text)
		return
	case "drip":
		drip(w, text, ended)
		return
	}
	if a.Fault != "hang" || a.Lines != nil {
		w.WriteHeader(max(a.Status, http.StatusOK))
		w.Write(text)
	}
	if a.Fault != "" {
		if a.Lines != nil {
			w.(http.Flusher).Flush()
		}
		if a.Fault == "hang" {
			<-ended
		}
		panic(http.ErrAbortHandler)
	}
}

// drip sends an answer byte by byte.
func drip(w http.ResponseWriter, text []byte, ended <-chan struct{}) {
	for i := range text {
		w.Write(text[i : i+1])
		w.(http.Flusher).Flush()
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ended:
			return
		}
	}
}

// raw is an answer that is written as it stands, and the connection's end with it.
func (a *vectorAnswer) raw(text []byte) (answer string, ok bool) {
	const head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
	switch a.Fault {
	case "close after": // it promises to keep the connection
		return fmt.Sprintf(head, len(text), text), true
	case "short":
		return fmt.Sprintf(head, len(text)+1, text), true
	case "not HTTP":
		return a.Text, true
	}
	return "", false
}

// sendRaw sends an answer, and the end of the connection in the same segment. So a
// client that looks sees it.
func sendRaw(w http.ResponseWriter, answer string) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err == nil {
		raw.Control(func(fd uintptr) { unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_CORK, 1) })
	}
	io.WriteString(conn, answer)
	conn.Close()
}
