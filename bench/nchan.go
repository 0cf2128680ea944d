package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strings"
	"text/template"
	"time"

	"golang.org/x/sys/unix"

	"castgate/loadtest/control"
	"castgate/loadtest/swarm"
)

// nchanModule is where Debian's libnginx-mod-nchan installs it.
const nchanModule = "/usr/lib/nginx/modules/ngx_nchan_module.so"

// nchanPackages must be installed.
const nchanPackages = "nginx libnginx-mod-nchan"

// findNginx obtains nchan.
func findNginx(context.Context, string, string) (string, error) {
	path, err := exec.LookPath("nginx")
	if err != nil {
		// For a PATH without sbin.
		path, err = exec.LookPath("/usr/sbin/nginx")
	}
	if err == nil {
		_, err = os.Stat(nchanModule)
	}
	if err != nil {
		return "", &SkipError{Nchan, fmt.Errorf("%w; as root, ci/deps.sh bench or apt-get install %s", err, nchanPackages)}
	}
	return path, nil
}

// nchanConfig is nginx as its own and nchan's documentation tune it for many
// subscribers: one worker per core, each with a listening socket of its own
// (reuseport), so that clients are spread evenly, room for all clients that the
// open-file limit allows, no access log. nchan keeps the last messages in
// memory that the workers share. nginx allocates its own structures for all
// worker_connections at the start, so they are part of what it holds without
// connections.
//
// Clients wait for the next message (newest) and get no pings, which is nchan's
// default. Nagle's algorithm is off for WebSockets, which is nginx's default.
var nchanConfig = template.Must(template.New("nginx.conf").Parse(`daemon off;
{{with .User}}user {{.}};{{end}}
pid {{.Dir}}/nginx.pid;
error_log stderr warn;
load_module {{.Module}};
worker_processes {{.Workers}};
worker_rlimit_nofile {{.Files}};
events {
	worker_connections {{.Connections}};
	multi_accept on;
}
http {
	access_log off;
	client_body_temp_path {{.Dir}}/body;
	proxy_temp_path {{.Dir}}/proxy;
	fastcgi_temp_path {{.Dir}}/fastcgi;
	uwsgi_temp_path {{.Dir}}/uwsgi;
	scgi_temp_path {{.Dir}}/scgi;
	nchan_shared_memory_size 128m;
	server {
		listen {{.Clients}} reuseport backlog=4096;
		location = / {
			nchan_subscriber websocket;
			nchan_subscriber_first_message newest;
			nchan_channel_id all;
		}
	}
	server {
		listen {{.Control}};
		keepalive_requests 1000000000;
		client_max_body_size 1m;
		client_body_buffer_size 1m;
		location = /readyz {
			return 200;
		}
		location = /publish {
			nchan_publisher http;
			nchan_message_buffer_length 64;
			nchan_message_timeout 1m;
			nchan_channel_id all;
		}
	}
}
`))

// Limits if the open-file limit is higher, or absent: nginx allocates some 400
// bytes for each of a worker's connections.
const (
	mostNchanFiles       = 1 << 20
	mostNchanConnections = 1 << 16
)

// prepareNchan writes nginx.conf.
func prepareNchan(dir, clients, control string) ([]string, error) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return nil, err
	}
	me, err := user.Current()
	if err != nil {
		return nil, err
	}
	values := struct {
		Dir, Module, User, Clients, Control string
		Workers, Connections                int
		Files                               uint64
	}{
		Dir: dir, Module: nchanModule, Clients: clients, Control: control,
		Workers: runtime.NumCPU(), Files: min(limit.Max, mostNchanFiles), Connections: int(min(limit.Max, mostNchanConnections)),
	}
	if me.Uid == "0" {
		// Otherwise its workers could not write to dir. Other users cannot
		// change the user, and need not.
		values.User = me.Username
	}
	var text bytes.Buffer
	if err := nchanConfig.Execute(&text, values); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "nginx.conf")
	return []string{"-p", dir, "-c", path, "-e", "stderr"}, os.WriteFile(path, text.Bytes(), 0o600)
}

// speakNchan: a client is subscribed when its handshake is done, and receives
// nothing until a message is published.
func speakNchan(c *swarm.Config) { c.NoInit = true }

// publishNchan returns what publishes to the channel of all, over up to that
// many persistent connections.
func publishNchan(addr string, callers int) control.Pusher {
	client := &http.Client{
		Timeout:   time.Minute,
		Transport: &http.Transport{MaxIdleConnsPerHost: callers, MaxConnsPerHost: callers, DisableCompression: true, IdleConnTimeout: time.Minute},
	}
	return func(ctx context.Context, _ int, payload []byte) (control.PushResult, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+addr+"/publish", bytes.NewReader(payload))
		if err != nil {
			return control.PushResult{}, err
		}
		r.Header.Set("Content-Type", "text/plain; charset=utf-8")
		r.Header.Set("Accept", "text/json")
		answer, err := client.Do(r)
		if err != nil {
			return control.PushResult{}, fmt.Errorf("nchan: %w", err)
		}
		defer answer.Body.Close()
		return published(answer)
	}
}

// published parses nchan's answer to a publisher: 201, or 202 if there was no
// subscriber, with the state of the channel.
func published(answer *http.Response) (control.PushResult, error) {
	const maxState = 4 << 10
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxState))
	if err != nil {
		return control.PushResult{}, fmt.Errorf("nchan: %w", err)
	}
	if answer.StatusCode != http.StatusCreated && answer.StatusCode != http.StatusAccepted {
		return control.PushResult{}, &control.RefusedError{Status: answer.StatusCode, Body: strings.TrimSpace(string(body[:min(len(body), 200)]))}
	}
	var state struct {
		Subscribers *int `json:"subscribers"`
	}
	if err := json.Unmarshal(body, &state); err != nil || state.Subscribers == nil {
		return control.PushResult{}, errors.Join(fmt.Errorf("nchan: the answer is not the state of a channel: %.200q", body), err)
	}
	return control.PushResult{Matched: *state.Subscribers, Queued: *state.Subscribers}, nil
}
