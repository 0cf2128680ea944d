package tell

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"castgate/bench/gateway"
)

// Part is a process beside the gateway. What measures must not share a scheduler with
// the load: in one process a push would wait for the goroutines of the backend.
type Part struct {
	// Backend is the address of a backend that accepts everything.
	Backend string
	// To is the address of clients' listener: so many Senders send it Rate messages a
	// second together, with 0 as many as the gateway reads.
	To            string
	Senders, Rate int
	// Post is a backend that gets Rate events a second from this process instead of the
	// gateway: as large, in as many requests.
	Post string
}

// ready is what a part prints once it is at work.
const ready = "ready\n"

// Play is the process of a part, until in ends.
func Play(p Part, in io.Reader, out io.Writer) error {
	var crowd clients
	stop := func() {}
	switch {
	case p.Backend != "":
		l, err := net.Listen("tcp", p.Backend)
		if err != nil {
			return err
		}
		server := &http.Server{Handler: newBackend()}
		go func() { _ = server.Serve(l) }()
		stop = func() { _ = server.Close() }
	case p.To != "":
		if err := crowd.connect(p.To, p.Senders, nil); err != nil {
			return err
		}
		stop = crowd.send(p.Rate)
	case p.Post != "":
		stop = post(p.Post, p.Rate)
	}
	defer stop()
	if _, err := io.WriteString(out, ready); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, in)
	return err
}

// The gateway's defaults, which post follows.
const (
	postLanes  = 16
	postLinger = 20 * time.Millisecond
	eventLen   = 500
)

// post sends events to a backend as the gateway does, until stop is called.
func post(url string, rate int) (stop func()) {
	over := make(chan struct{})
	var lanes sync.WaitGroup
	event := []byte(`{"specversion":"1.0","data":"` + strings.Repeat("x", eventLen) + `"}`)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: postLanes}}
	for range postLanes {
		lanes.Go(func() {
			began, sent := time.Now(), 0
			for {
				select {
				case <-over:
					return
				case <-time.After(postLinger):
				}
				due := min(int(time.Since(began).Seconds()*float64(rate)/postLanes)-sent, 100)
				answer, err := client.Post(url, "application/json", bytes.NewReader(bytes.Repeat(event, due)))
				if err != nil {
					return // the backend's count says so
				}
				_ = answer.Body.Close()
				sent += due
			}
		})
	}
	return func() {
		close(over)
		lanes.Wait()
	}
}

// process is a part as its owner sees it.
type process struct {
	cmd *exec.Cmd
	in  io.Closer
}

// start runs a part, and waits until it is ready.
func start(o Options, p Part) (*process, error) {
	args := append(append([]string{}, o.Part[1:]...), "--backend", p.Backend, "--to", p.To, "--post", p.Post,
		"--senders", strconv.Itoa(p.Senders), "--rate", strconv.Itoa(p.Rate))
	cmd := exec.Command(o.Part[0], args...)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	said := make([]byte, len(ready))
	if _, err := io.ReadFull(out, said); err != nil {
		return nil, errors.Join(fmt.Errorf("a process beside the gateway has ended: %w", err), cmd.Wait())
	}
	return &process{cmd, in}, nil
}

func (p *process) stop() {
	if p == nil {
		return
	}
	_ = p.in.Close()
	_ = p.cmd.Wait() // it has printed everything already
}

// remote is a backend in a process of its own.
type remote struct {
	*process
	url string
}

func startBackend(o Options) (*remote, error) {
	addrs, err := gateway.FreeAddrs(1)
	if err != nil {
		return nil, err
	}
	p, err := start(o, Part{Backend: addrs[0]})
	return &remote{p, "http://" + addrs[0] + "/"}, err
}

// told is how many events the backend has got.
func (r *remote) told(ctx context.Context) (int64, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url, nil)
	if err != nil {
		return 0, err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(string(text), 10, 64)
}

// await waits until there are so many events.
func (r *remote) await(ctx context.Context, n int64) error {
	for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		got, err := r.told(ctx)
		if err != nil || got >= n {
			return err
		}
		if time.Now().After(end) {
			return fmt.Errorf("%d events after a minute, want %d", got, n)
		}
	}
}
