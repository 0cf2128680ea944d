package natslink

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
)

// Link is a connection to the other nodes. It is a cluster.Transport; its methods may
// be called from any goroutine.
type Link struct {
	config Config
	log    *slog.Logger
	said   *serverLog
	conn   *nats.Conn
	server *server.Server // nil unless embedded
	all    string         // subject of all nodes

	receive atomic.Pointer[func([]byte)]
	out     chan outgoing
	waiting atomic.Int64 // bytes in out
	ended   chan struct{}
	subs    sync.Map // *nats.Subscription, by what it is for
	work    sync.WaitGroup

	// Counters.
	full   atomic.Uint64 // messages that found no room in out
	unsent atomic.Uint64 // messages that NATS did not take
}

type outgoing struct {
	subject string
	m       []byte
}

var (
	errFull = errors.New("too much waits to be sent")
	errAway = errors.New("NATS is not connected")
)

// Open opens a link. NATS may be away: the link is up once it is there. Errors are
// about the configuration or this host.
func Open(c Config) (*Link, error) {
	l := &Link{config: c, log: c.Logger, out: make(chan outgoing, queueMessages), ended: make(chan struct{})}
	if l.log == nil {
		l.log = slog.New(slog.DiscardHandler)
		l.config.Logger = l.log
	}
	l.said = newServerLog(l.log)
	l.all = l.subject("all")
	options, err := l.options()
	if err != nil {
		return nil, err
	}
	if c.Listen != "" {
		password := rand.Text()
		if l.server, err = embed(&l.config, password); err != nil {
			return nil, err
		}
		options = append(options, nats.InProcessServer(l.server), nats.UserInfo(routeUser, password))
	}
	if l.conn, err = nats.Connect(strings.Join(c.URLs, ","), options...); err != nil {
		l.closeServer()
		return nil, err
	}
	if !l.conn.IsConnected() {
		l.log.Warn("NATS is unreachable; this node serves its own clients and joins the cluster once NATS is there", "urls", strings.Join(c.URLs, ","))
	}
	l.work.Go(l.send)
	return l, nil
}

// options are those of the connection to NATS.
func (l *Link) options() ([]nats.Option, error) {
	c := &l.config
	options := []nats.Option{
		nats.Name("castgate node " + strconv.Itoa(int(c.Node))), nats.NoEcho(),
		nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1), nats.ReconnectWait(250 * time.Millisecond),
		nats.ReconnectJitter(100*time.Millisecond, 100*time.Millisecond), nats.IgnoreAuthErrorAbort(),
		nats.ReconnectBufSize(-1), nats.Timeout(2 * time.Second), nats.FlusherTimeout(2 * time.Second),
		nats.PingInterval(2 * time.Second), nats.MaxPingsOutstanding(2),
		nats.ConnectHandler(func(n *nats.Conn) { l.connected(n) }),
		nats.ReconnectHandler(func(n *nats.Conn) { l.connected(n) }),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if !l.closing() {
				l.log.Warn("NATS is unreachable; this node serves its own clients, and answers are incomplete", "err", err)
			}
		}),
		nats.ReconnectErrHandler(func(_ *nats.Conn, err error) { l.said.Errorf("the server cannot be reached: %v", err) }),
		nats.ErrorHandler(l.failed),
	}
	if c.TLS != nil && c.Listen == "" {
		options = append(options, nats.Secure(c.TLS))
	}
	if c.NKey != "" {
		o, err := nats.NkeyOptionFromSeed(c.NKey)
		if err != nil {
			return nil, fmt.Errorf("nkey: %w", err)
		}
		options = append(options, o)
	}
	if c.Creds != "" { // which the client reads each time it connects
		text, err := os.ReadFile(c.Creds)
		if err == nil {
			_, err = nkeys.ParseDecoratedUserNKey(text)
		}
		if err != nil {
			return nil, fmt.Errorf("credentials: %w", err)
		}
		options = append(options, nats.UserCredentials(c.Creds))
	}
	return options, nil
}

func (l *Link) connected(n *nats.Conn) {
	if l.server == nil {
		l.log.Info("connected to NATS", "url", n.ConnectedUrlRedacted(), "max_payload", n.MaxPayload())
	}
}

// failed is told of errors that belong to no call.
func (l *Link) failed(_ *nats.Conn, s *nats.Subscription, err error) {
	if errors.Is(err, nats.ErrSlowConsumer) && s != nil {
		n, _ := s.Dropped()
		l.log.Warn("messages of other nodes were lost: this node did not process them in time", "dropped", n)
		return
	}
	l.said.Errorf("%v", err)
}

// subject is the subject of a node, or of all.
func (l *Link) subject(to string) string { return "castgate." + l.config.Name + "." + to }

// Receive implements cluster.Transport.
func (l *Link) Receive(receive func(m []byte)) {
	l.receive.Store(&receive)
	for _, to := range []string{"all", "node." + strconv.Itoa(int(l.config.Node))} {
		s, err := l.conn.Subscribe(l.subject(to), func(m *nats.Msg) { receive(m.Data) })
		if err == nil {
			err = s.SetPendingLimits(queueMessages, queueBytes)
			l.subs.Store(to, s)
		}
		if err != nil { // of a connection that was closed
			l.log.Error("NATS refuses a subscription", "err", err)
		}
	}
}

// Send implements cluster.Transport.
func (l *Link) Send(node uint16, m []byte) error {
	return l.enqueue(l.subject("node."+strconv.Itoa(int(node))), m)
}

// SendAll implements cluster.Transport.
func (l *Link) SendAll(m []byte) error { return l.enqueue(l.all, m) }

func (l *Link) enqueue(subject string, m []byte) error {
	if !l.Up() {
		l.unsent.Add(1)
		return errAway
	}
	if l.waiting.Add(int64(len(m))) > queueBytes {
		l.waiting.Add(-int64(len(m)))
		l.full.Add(1)
		return errFull
	}
	select {
	case l.out <- outgoing{subject, m}:
		return nil
	default:
		l.waiting.Add(-int64(len(m)))
		l.full.Add(1)
		return errFull
	}
}

// send publishes what waits. It may block, for as long as FlusherTimeout.
func (l *Link) send() {
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		select {
		case <-look.C:
			l.look()
		case o := <-l.out:
			l.waiting.Add(-int64(len(o.m)))
			if err := l.conn.Publish(o.subject, o.m); err != nil {
				l.unsent.Add(1)
			}
		case <-l.ended:
			return
		}
	}
}

// lookEvery is how often a link that is down is asked why.
const lookEvery = time.Second

// look says why the server does not let this node in: the client has no callback for
// that as long as it has never been connected.
func (l *Link) look() {
	if err := l.conn.LastError(); err != nil && !l.Up() {
		l.said.Errorf("the server cannot be used: %v", err)
	}
}

// Up implements cluster.Transport.
func (l *Link) Up() bool { return l.conn.IsConnected() }

// Limit implements cluster.Transport.
func (l *Link) Limit() int {
	if n := l.conn.MaxPayload(); n > 0 {
		return int(min(n, maxPayload))
	}
	return 1 << 20 // before the first connection: NATS's default
}

// Routes is how many embedded servers this one is connected with, 0 for a NATS that
// was there.
func (l *Link) Routes() int {
	if l.server == nil {
		return 0
	}
	return l.server.NumRoutes()
}

// Address is where an embedded server listens, nil if there is none.
func (l *Link) Address() net.Addr {
	if l.server == nil {
		return nil
	}
	return l.server.ClusterAddr()
}

// Losses is how many messages found no room before they were sent, NATS did not take,
// and came but found no room.
func (l *Link) Losses() (full, unsent, dropped uint64) {
	l.subs.Range(func(_, s any) bool {
		n, _ := s.(*nats.Subscription).Dropped() // fails once it is closed
		dropped += uint64(max(n, 0))
		return true
	})
	return l.full.Load(), l.unsent.Load(), dropped
}

func (l *Link) closing() bool {
	select {
	case <-l.ended:
		return true
	default:
		return false
	}
}

// flushTime is how long Close lets what was sent before take.
const flushTime = 500 * time.Millisecond

// Close sends what waits, as far as that takes no time, and closes the link.
func (l *Link) Close() {
	for end := time.Now().Add(flushTime); len(l.out) > 0 && l.Up() && time.Now().Before(end); time.Sleep(time.Millisecond) {
	}
	_ = l.conn.FlushTimeout(flushTime) // who does not hear it waits for a lease
	close(l.ended)
	l.work.Wait()
	l.conn.Close()
	l.closeServer()
}

func (l *Link) closeServer() {
	if l.server != nil {
		l.server.Shutdown()
		l.server.WaitForShutdown()
	}
}
