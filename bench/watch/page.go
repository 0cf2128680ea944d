package watch

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// page requests what the admin page requests: the overview every two seconds, and a tail.
type page struct {
	url    string
	http   *http.Client
	seen   int64        // the time of the last sample of the overview
	tailed atomic.Int64 // happenings
	lost   atomic.Int64 // happenings that the tail says it has dropped
	waited waits
	err    chan error
	end    context.CancelFunc
	wait   sync.WaitGroup
}

// look opens the page; more are further paths that it requests every second.
func look(ctx context.Context, admin string, more func() []string) (*page, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	p := &page{url: "http://" + admin, http: &http.Client{Jar: jar}, err: make(chan error, 1)}
	ctx, p.end = context.WithCancel(ctx)
	login, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url+"/api/login", strings.NewReader(`{"key":""}`))
	if err != nil {
		return nil, err
	}
	login.Header.Set("Origin", p.url)
	login.Header.Set("Content-Type", "application/json")
	if _, err := p.do(login); err != nil {
		return nil, err
	}
	p.wait.Go(func() { p.fail(ctx, p.tail(ctx)) })
	p.wait.Go(func() {
		p.fail(ctx, p.every(ctx, 2*time.Second, func() []string { return []string{fmt.Sprint("/api/overview?after=", p.seen)} }))
	})
	if more != nil {
		p.wait.Go(func() { p.fail(ctx, p.every(ctx, time.Second, more)) })
	}
	return p, nil
}

// close closes the page. The error says what went wrong while it was open.
func (p *page) close() error {
	p.end()
	p.wait.Wait()
	p.http.CloseIdleConnections()
	select {
	case err := <-p.err:
		return err
	default:
		return nil
	}
}

// fail keeps the first error.
func (p *page) fail(ctx context.Context, err error) {
	if err == nil || ctx.Err() != nil {
		return
	}
	select {
	case p.err <- err:
	default:
	}
}

// every asks for paths at intervals.
func (p *page) every(ctx context.Context, pause time.Duration, paths func() []string) error {
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	for {
		for _, path := range paths() {
			if err := p.ask(ctx, path); err != nil {
				return err
			}
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
	}
}

func (p *page) ask(ctx context.Context, path string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+path, nil)
	if err != nil {
		return err
	}
	began := time.Now()
	text, err := p.do(r)
	p.waited.note(r.URL, time.Since(began))
	if err != nil || r.URL.Path != "/api/overview" {
		return err
	}
	var answer struct{ Samples struct{ At []int64 } }
	if err := json.Unmarshal(text, &answer); err != nil {
		return err
	}
	if at := answer.Samples.At; len(at) > 0 {
		p.seen = at[len(at)-1]
	}
	return nil
}

// do makes a request. A client that has gone is no error.
func (p *page) do(r *http.Request) ([]byte, error) {
	answer, err := p.http.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK && answer.StatusCode != http.StatusNotFound {
		err = fmt.Errorf("%s %s: %s: %.200s", r.Method, r.URL.Path, answer.Status, text)
	}
	return text, err
}

// follow opens a tail, as lines.
func (p *page) follow(ctx context.Context) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+"/api/tail", nil)
	if err != nil {
		return nil, err
	}
	answer, err := p.http.Do(r)
	if err == nil && answer.StatusCode != http.StatusOK {
		_ = answer.Body.Close()
		err = fmt.Errorf("a tail: %s", answer.Status)
	}
	return answer, err
}

// tail reads a tail.
func (p *page) tail(ctx context.Context) error {
	answer, err := p.follow(ctx)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	in := bufio.NewScanner(answer.Body)
	in.Buffer(nil, 4<<20)
	for in.Scan() {
		var batch struct {
			Events  []json.RawMessage `json:"events"`
			Dropped int64             `json:"dropped"`
		}
		if err := json.Unmarshal(in.Bytes(), &batch); err != nil {
			return err
		}
		p.tailed.Add(int64(len(batch.Events)))
		p.lost.Store(batch.Dropped)
	}
	return in.Err()
}
