package e2e

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"castgate/internal/wstest"
)

// clientVectors is clients/vectors.json, which explains itself.
type clientVectors struct {
	Key     string
	Vectors []*clientVector
}

type clientVector struct {
	vectorCall
	Name        string
	Options     M
	Refused     bool
	Connections int
	Then        []vectorCall
}

// vectorCall is a call with what must come of it.
type vectorCall struct {
	Call      string
	Args      M
	Request   *vectorRequest
	Answer    vectorAnswer
	Exchanges []vectorExchange
	Value     any
	Error     M
}

func (c *vectorCall) exchanges() []vectorExchange {
	if c.Request == nil {
		return c.Exchanges
	}
	return []vectorExchange{{Request: *c.Request, Answer: c.Answer}}
}

type vectorExchange struct {
	Request vectorRequest
	Answer  vectorAnswer
}

type vectorRequest struct {
	Method, Path string
	RawPath      string `json:"raw_path"`
	Query        url.Values
	Accept, Type string
	Body         any
	Lines        []any
	Text, Base64 string
}

type vectorAnswer struct {
	Status  int
	Headers map[string]string
	Body    any
	Lines   []any
	Text    string
	Fault   string
}

// clientJob is what a runner, a small program in a client's language, is told to
// call. Jobs with the same address and options are of one client.
type clientJob struct {
	Name    string `json:"name"`
	Address string `json:"address"`
	Key     string `json:"key"`
	Options M      `json:"options"`
	Call    string `json:"call"`
	Args    M      `json:"args"`
	// Pause is in milliseconds, before the call.
	Pause int `json:"pause"`
}

// clientResult is a line that a runner prints for a job.
type clientResult struct {
	Name  string
	Value any
	Error M
}

// clientRunner makes calls in one language.
type clientRunner struct {
	language string
	run      func(t *testing.T, jobs []clientJob) []clientResult
	// over is what the script runs over; nil is everything.
	over []string
	// lacks says why the language does not have what a vector shows.
	lacks func(v *clientVector) string
}

func readVectors(t *testing.T) *clientVectors {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(wstest.Root(t), "clients/vectors.json"))
	if err != nil {
		t.Fatal(err)
	}
	v := new(clientVectors)
	if err := json.Unmarshal(text, v); err != nil {
		t.Fatal(err)
	}
	return v
}

// TestClientVectors runs clients/vectors.json with every client.
func TestClientVectors(t *testing.T) {
	t.Parallel()
	for _, runner := range clientRunners {
		t.Run(runner.language, func(t *testing.T) {
			t.Parallel()
			runVectors(t, runner)
		})
	}
}

func runVectors(t *testing.T, runner clientRunner) {
	vectors := readVectors(t)
	var jobs []clientJob
	var want []vectorCall
	replays := map[*clientVector]*vectorServer{}
	for _, v := range vectors.Vectors {
		if runner.lacks != nil && runner.lacks(v) != "" {
			continue
		}
		replays[v] = newVectorServer(t, vectors.Key, v)
		for i, call := range append([]vectorCall{v.vectorCall}, v.Then...) {
			job := clientJob{Name: v.Name, Address: replays[v].address, Key: vectors.Key, Options: v.Options, Call: call.Call, Args: call.Args}
			if i > 0 {
				job.Name = fmt.Sprintf("%s, call %d", v.Name, i+1)
				job.Pause = 300 // milliseconds in which a client notices that its connection was closed
			}
			jobs, want = append(jobs, job), append(want, call)
		}
	}
	results := runner.run(t, jobs)
	if len(results) != len(jobs) {
		t.Fatalf("%d results of %d calls", len(results), len(jobs))
	}
	for i, r := range results {
		expectResult(t, jobs[i].Name, r, want[i])
	}
	for v, replay := range replays {
		replay.finish(t, v)
	}
	t.Logf("%s: %d vectors, %d calls", runner.language, len(replays), len(jobs))
}

func expectResult(t *testing.T, name string, r clientResult, want vectorCall) {
	t.Helper()
	if r.Name != name {
		t.Errorf("%s: the result is of %q", name, r.Name)
	}
	if problem := differs(want.Error, r.Error); want.Error != nil && problem != "" {
		t.Errorf("%s: error %v (value %v), want %v: %s", name, r.Error, r.Value, want.Error, problem)
	}
	if want.Error == nil && r.Error != nil {
		t.Errorf("%s: error %v, want %v", name, r.Error, want.Value)
	} else if problem := differs(want.Value, r.Value); want.Error == nil && problem != "" {
		t.Errorf("%s: %s\ngot  %v\nwant %v", name, problem, r.Value, want.Value)
	}
}

// differs says where got is not want. Objects may have more fields. PHP does not
// tell an empty object from an empty list.
func differs(want, got any) string {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if list, empty := got.([]any); len(w) == 0 && empty && len(list) == 0 {
			return ""
		}
		if !ok {
			return fmt.Sprintf("%v is not an object", got)
		}
		for _, name := range slices.Sorted(maps.Keys(w)) {
			value, present := g[name]
			if !present {
				return name + " is missing"
			}
			if problem := differs(w[name], value); problem != "" {
				return name + ": " + problem
			}
		}
		return ""
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			return fmt.Sprintf("%v is not a list of %d", got, len(w))
		}
		for i := range w {
			if problem := differs(w[i], g[i]); problem != "" {
				return fmt.Sprintf("[%d]: %s", i, problem)
			}
		}
		return ""
	}
	if !reflect.DeepEqual(want, got) {
		return fmt.Sprintf("%#v, want %#v", got, want)
	}
	return ""
}

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
