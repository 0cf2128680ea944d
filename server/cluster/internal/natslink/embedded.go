package natslink

import (
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// routeUser is the user as whom embedded servers log in to each other.
const routeUser = "castgate"

// startTime is how long an embedded server may take to start.
const startTime = 10 * time.Second

// embed starts a server for this process alone, beside the servers of the others. The
// routes of nats-server 2.15 wait for its listener for clients (server.go, Start), so
// it has one, on a free port of this host; password is what lets a client in.
func embed(c *Config, password string) (*server.Server, error) {
	host, portText, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return nil, err
	}
	port, err := strconv.Atoi(portText)
	if err != nil {
		return nil, err
	}
	if port == 0 {
		port = server.RANDOM_PORT
	}
	o := &server.Options{
		ServerName: fmt.Sprintf("castgate-%s-%d-%s", c.Name, c.Node, rand.Text()[:8]), NoSigs: true, NoSystemAccount: true,
		Host: "127.0.0.1", Port: server.RANDOM_PORT, Username: routeUser, Password: password,
		MaxPayload: maxPayload, MaxPending: queueBytes, WriteDeadline: 5 * time.Second,
		PingInterval: 2 * time.Second, MaxPingsOut: 2,
		Cluster: server.ClusterOpts{
			Name: c.Name, Host: host, Port: port, Username: routeUser, Password: c.RouteSecrets[0], NoAdvertise: true,
			PingInterval: 2 * time.Second, MaxPingsOut: 2, ConnectRetries: -1,
			AuthTimeout: 5, TLSConfig: c.TLS, TLSTimeout: 5,
		},
	}
	o.CustomRouterAuthentication = routeCheck(c.RouteSecrets)
	for _, peer := range c.Peers {
		o.Routes = append(o.Routes, &url.URL{Scheme: "nats-route", User: url.UserPassword(routeUser, c.RouteSecrets[0]), Host: peer})
	}
	s, err := server.NewServer(o)
	if err != nil {
		return nil, err
	}
	s.SetLoggerV2(newServerLog(c.Logger), false, false, false)
	s.Start()
	if !s.ReadyForConnections(startTime) {
		go s.Shutdown() // which may wait for what has not started
		return nil, errors.New("the embedded NATS server does not start; is the address of cluster-listen free?")
	}
	return s, nil
}

// routeCheck lets those in who know one of the secrets.
type routeCheck []string

// Check implements server.Authentication.
func (r routeCheck) Check(c server.ClientAuthentication) bool {
	password := []byte(c.GetOpts().Password)
	known := 0
	for _, secret := range r {
		known |= subtle.ConstantTimeCompare(password, []byte(secret))
	}
	return known == 1
}

// serverLog passes on what a server or a client of NATS has to say: problems as warnings, the
// same one at most once a minute, all else for debugging. It never repeats a secret:
// the server leaves passwords out of its lines.
type serverLog struct {
	log *slog.Logger

	mu   sync.Mutex
	told map[string]time.Time // problems without their digits
}

func newServerLog(log *slog.Logger) *serverLog {
	return &serverLog{log: log, told: map[string]time.Time{}}
}

func (l *serverLog) Noticef(format string, v ...any) { l.debug(format, v...) }
func (l *serverLog) Debugf(format string, v ...any)  { l.debug(format, v...) }
func (l *serverLog) Tracef(format string, v ...any)  { l.debug(format, v...) }

// Warnf leaves out that passwords are in memory as they are: nobody has typed them.
func (l *serverLog) Warnf(format string, v ...any) {
	if strings.HasPrefix(format, "Plaintext passwords") {
		return
	}
	l.problem(format, v...)
}

func (l *serverLog) Errorf(format string, v ...any) { l.problem(format, v...) }

// Fatalf is not the end: the server's owner decides that.
func (l *serverLog) Fatalf(format string, v ...any) { l.problem(format, v...) }

func (l *serverLog) debug(format string, v ...any) {
	l.log.Debug("NATS: " + fmt.Sprintf(format, v...))
}

func (l *serverLog) problem(format string, v ...any) {
	text := fmt.Sprintf(format, v...)
	if strings.Contains(text, "Route Error 'Authorization Violation'") {
		text += ": the node there has another secret; do all have the same cluster-secret and cluster-name?"
	}
	key := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return -1
		}
		return r
	}, text)
	l.mu.Lock()
	again := time.Since(l.told[key]) < time.Minute
	if !again {
		if len(l.told) > 256 {
			clear(l.told)
		}
		l.told[key] = time.Now()
	}
	l.mu.Unlock()
	if again {
		l.log.Debug("NATS: " + text)
		return
	}
	l.log.Warn("NATS: " + text)
}
