package events

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"time"

	"castgate/server/events/internal/sign"
	"castgate/server/events/internal/store"
	"castgate/server/setting"
)

// Config is everything that New is told.
type Config struct {
	Targets
	// Types are the types of events that are told.
	Types Types
	// Dir is where the queue lives; "" is memory, which ends with the process.
	Dir string
	// Batch is how many events a request has at most, 1 to MaxBatch; with 1 they are
	// sent as single events. Linger is how long the first waits for more.
	Batch  int
	Linger time.Duration
	// Timeout is for one attempt. RetryMax is the longest pause between two, but for
	// what a Retry-After asks for.
	Timeout, RetryMax time.Duration
	// Quota is how many bytes the queue may have; 0 is DefaultQuota, or
	// DefaultMemoryQuota without Dir.
	Quota int64
	// Keep is how long events that everybody was told of can still be fetched and
	// replayed, within the quota.
	Keep time.Duration
	// OfflineAfter is how long a uid has no client before it is told to be offline.
	OfflineAfter time.Duration
	// HoldMessages has clients not read while there is no room for their messages;
	// otherwise they are closed with 1013.
	HoldMessages bool
	// Instance stands for this process, as node.lost names it; 0 is a random number.
	Instance uint64
	// Node is this gateway's number, which the source of its events names.
	Node uint16
	// Transport replaces that of requests, for tests; nil is one of ours.
	Transport http.RoundTripper
	// Now is the time; nil is that of the system.
	Now   func() time.Time
	Audit slog.Handler
	Log   *slog.Logger

	// openDirectory replaces store.OpenDirectory in tests.
	openDirectory func(path string) (store.Files, error)
}

// Targets is the part of Config that can be changed while events are sent.
type Targets struct {
	// URLs are where events are POSTed. Each has a place of its own in the queue.
	URLs []string
	// Secrets sign the requests: whsec_ and base64 of 24 to 64 bytes. Each of them
	// makes a signature, so that a receiver may know the old or the new one.
	Secrets []string
	// TokenQuery is the parameter of a request that holds a token, which no event
	// shows; "" is none.
	TokenQuery string
}

// Bounds and defaults of Config.
const (
	MaxBatch           = 10_000
	MaxURLs            = 8
	MaxSecrets         = 2 // one takes the other's place
	MinQuota           = 1 << 20
	MaxQuota           = 1 << 40
	DefaultQuota       = 1 << 30
	DefaultMemoryQuota = 64 << 20

	leastTime = time.Millisecond
	mostTime  = 24 * time.Hour
)

// Defaults returns what is sent where only URLs are given.
func Defaults() Config {
	return Config{
		Types: DefaultTypes, Batch: 100, Linger: 20 * time.Millisecond,
		Timeout: 10 * time.Second, RetryMax: 5 * time.Minute, Keep: time.Hour,
		OfflineAfter: 3 * time.Second, HoldMessages: true,
	}
}

// Validate reports the first setting that is wrong, by its name on the command
// line. Secrets are never shown.
func (c *Config) Validate() error {
	if err := c.Targets.Validate(); err != nil {
		return err
	}
	if c.Types == 0 {
		return setting.Errorf("events", "names no type of event")
	}
	if c.Batch < 1 || c.Batch > MaxBatch {
		return setting.Errorf("events-batch", "%d is not between 1 and %d", c.Batch, MaxBatch)
	}
	if c.Quota != 0 && (c.Quota < MinQuota || c.Quota > MaxQuota) {
		return setting.Errorf("events-quota", "%d is not between %d and %d bytes", c.Quota, MinQuota, int64(MaxQuota))
	}
	for _, d := range []struct {
		name  string
		value time.Duration
		off   bool // 0 is allowed
	}{
		{"events-linger", c.Linger, true},
		{"events-timeout", c.Timeout, false},
		{"events-retry-max", c.RetryMax, false},
		{"events-keep", c.Keep, true},
		{"events-offline-after", c.OfflineAfter, true},
	} {
		if d.value != 0 && (d.value < leastTime || d.value > mostTime) || d.value == 0 && !d.off {
			return setting.Errorf(d.name, "%v is not between %v and %v", d.value, leastTime, mostTime)
		}
	}
	return nil
}

// Validate reports the first setting that is wrong.
func (t *Targets) Validate() error {
	if len(t.URLs) > MaxURLs {
		return setting.Errorf("events-url", "%d URLs are more than %d", len(t.URLs), MaxURLs)
	}
	for i, text := range t.URLs {
		if err := CheckURL(text); err != "" {
			return setting.Errorf("events-url", "URL %d %s", i+1, err)
		}
		for _, other := range t.URLs[:i] {
			if other == text {
				return setting.Errorf("events-url", "URL %d is the same as one before", i+1)
			}
		}
	}
	_, err := readSecrets(t.Secrets)
	return err
}

// readSecrets parses the secrets that sign requests. They are never shown.
func readSecrets(texts []string) (secrets []sign.Secret, err error) {
	if len(texts) > MaxSecrets {
		return nil, setting.Errorf("events-secret", "%d secrets are more than %d", len(texts), MaxSecrets)
	}
	for i, text := range texts {
		s, err := sign.ParseSecret(text)
		if err != nil {
			return nil, setting.Errorf("events-secret", "secret %d %w", i+1, err)
		}
		if before := slices.IndexFunc(secrets, func(b sign.Secret) bool { return bytes.Equal(b, s) }); before >= 0 {
			return nil, setting.Errorf("events-secret", "secrets %d and %d are the same", before+1, i+1)
		}
		secrets = append(secrets, s)
	}
	return secrets, nil
}

// CheckURL returns what is wrong with a URL that is to be POSTed to, "" for
// nothing. It is not repeated: it may hold a secret.
func CheckURL(text string) string {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Opaque != "" || u.Hostname() == "":
		return "is not a URL such as https://app.example.com/events"
	case u.Scheme != "http" && u.Scheme != "https":
		return "is neither http:// nor https://"
	case u.User != nil:
		return "has a user or password, which would end up in logs; verify the signature of events-secret instead"
	case u.Fragment != "":
		return "has a fragment (#), which is never sent to a server"
	}
	return ""
}

// shown is a URL for logs and metrics, without what may be a secret.
func shown(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host + u.Path
}
