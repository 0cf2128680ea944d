package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"reflect"
	"strings"
	"time"

	"castgate/cmd/castgate/internal/keys"
	"castgate/cmd/castgate/internal/knob"
	"castgate/cmd/castgate/internal/logs"
	"castgate/cmd/castgate/internal/process"
	"castgate/server"
	"castgate/server/admin"
	"castgate/server/capacity"
	"castgate/server/control"
	"castgate/server/control/access"
	"castgate/server/events"
	"castgate/server/gatewayworker"
	"castgate/server/loop"
	"castgate/server/setting"
	"castgate/server/token"
)

// settings declares every setting of `castgate serve`, once: its name (the
// field's, in kebab case), default, unit and help. The same names, spelt
// CASTGATE_LIKE_THIS, are environment variables, and the keys of the file. A
// field with a unit is a setting; a text marked blank may be empty, see
// refusesEmpty. Tests compare the defaults with those of server.Defaults and
// control.Defaults.
type settings struct {
	knob.ConfigFile

	Listen           []string      `default:":7272" unit:"[scheme://]host:port" help:"Client listeners, separated by commas: host:port, or fd:NAME for a socket that systemd passes; schemes ws, the default, wss, and text, frame and tcp as in GatewayWorker. Repeatable."`
	Loops            int           `default:"${loops}" unit:"loops" auto:"GOMAXPROCS" help:"Event loops, 1 to 256; default: GOMAXPROCS."`
	MaxConns         int           `default:"0" unit:"sockets" hot:"" auto:"the open-file limit less reserve-files" help:"Maximum number of client sockets; further clients are turned away. 0 means the open-file limit minus a reserve."`
	OnMessage        string        `default:"ignore" unit:"ignore, echo, close or forward" help:"What a client message does: ignore counts it, echo sends it back, close closes with 1008, forward makes it an event for the backend (see events-url)."`
	InitMessage      string        `default:"{\"type\":\"init\",\"client_id\":\"%s\"}" unit:"text" blank:"" help:"First text frame after the handshake; each %s is replaced by the client id. Empty turns it off."`
	PingInterval     knob.Duration `default:"25s" unit:"duration" hot:"" help:"How long a client may be silent before it is pinged, the first time after half to all of it; 0 turns pings off."`
	PingTimeout      knob.Duration `default:"10s" unit:"duration" hot:"" help:"How long a pinged client may stay silent before it is dropped, unless it still reads what it is sent."`
	TCPKeepalive     knob.Duration `default:"0" unit:"duration" hot:"" help:"How long a client that gets no pings may be silent before the kernel probes it by TCP keepalive; it is gone when ping-timeout more passes without an answer. 0 means ping-interval, or 55s where that is 0."`
	HandshakeTimeout knob.Duration `default:"10s" unit:"duration" hot:"" help:"Time allowed from accept to the end of the handshake."`
	StopDelay        knob.Duration `default:"0" unit:"duration" help:"How long a stop keeps serving, with /readyz at 503, before it drains, so that load balancers can move away; up to 1h."`
	DrainTimeout     knob.Duration `default:"15s" unit:"duration" help:"How long draining may take when the gateway stops."`
	DrainRate        int           `default:"5000" unit:"clients per second" help:"How fast a stop closes clients, 0 for all at once; faster if half of drain-timeout would not be enough."`
	ReusePort        bool          `default:"false" unit:"true or false" help:"Listen with SO_REUSEPORT, so that a successor can listen on the same addresses before this gateway stops. Both must set it."`
	UnboundTimeout   knob.Duration `default:"0" unit:"duration" hot:"" help:"Close a client that has not been bound to a uid within this time; 0 is off."`
	MaxMessage       knob.Size     `default:"64KiB" unit:"bytes" hot:"" help:"Largest client message; a larger one closes the client with 1009."`
	MaxHandshake     knob.Size     `default:"32KiB" unit:"bytes" hot:"" help:"Largest request head of a client, 1KiB to 64KiB; a larger one is answered 431. Data after the head does not count."`
	Compress         bool          `default:"false" unit:"true or false" help:"Allow clients to negotiate permessage-deflate (RFC 7692)."`
	CompressMin      knob.Size     `default:"256B" unit:"bytes" help:"Smallest payload of a push that is compressed."`
	CompressLevel    int           `default:"1" unit:"level" help:"Compression level, from 1 (fastest) to 9 (smallest)."`
	CompressNotFor   []string      `unit:"texts" hot:"" help:"Substrings of User-Agent headers, case-sensitive, separated by commas. Matching clients never get compressed messages."`
	SendQueue        knob.Size     `default:"256KiB" unit:"bytes" hot:"" help:"Bytes that may wait for one client; checked before a message is queued."`
	NotsentLowat     knob.Size     `default:"768KiB" unit:"bytes" help:"Unsent bytes that the kernel may hold for one client (TCP_NOTSENT_LOWAT); the rest waits in send-queue."`
	SlowPolicy       string        `default:"close" unit:"close or drop" hot:"" help:"At the send queue's limit: close with 1008, or drop the newest message and count it."`
	PushQueue        knob.Size     `default:"64MiB" unit:"bytes" hot:"" help:"Bytes of pushes that may wait for one event loop; further pushes are answered 503."`
	AllowedOrigins   []string      `unit:"origins" hot:"" help:"Browser origins, separated by commas: https://app.example.com, app.example.com for any scheme and port, *.example.com for all below, null, file:// or an app's such as capacitor://localhost; default: any."`
	TLSCert          []string      `unit:"files" hot:"" help:"Certificates of the wss listeners in PEM, separated by commas; selected by the name the client asks for, or the first if none matches. Reloaded when they change."`
	TLSKey           []string      `unit:"files" hot:"" help:"Private keys of tls-cert, in the same order."`
	TLSMinVersion    string        `default:"1.2" unit:"1.2 or 1.3" help:"Minimum TLS version."`
	TLSHandshakes    int           `default:"1024" unit:"handshakes" help:"Maximum number of concurrent TLS handshakes; up to 8192 more wait."`
	Node             uint16        `default:"0" unit:"number" help:"This gateway's number in a cluster, 0 to 65535, carried in client ids."`
	ReserveFiles     int           `default:"0" unit:"files" auto:"derived from the open-file limit" help:"File descriptors that max-conns leaves free; 0 derives the number from the open-file limit."`

	admissionSettings
	eventsSettings
	gatewayworkerSettings
	clusterSettings

	Control             string        `default:"127.0.0.1:7273" unit:"host:port or unix:/path" help:"Control API listener: host:port, unix:/path, or fd:NAME for a socket that systemd passes; a non-loopback address needs a control key."`
	ControlKey          []string      `unit:"keys" hot:"" help:"Control API keys with all rights, separated by commas; @/path reads a file with one key per line. Repeatable."`
	ControlKeysFile     string        `default:"" unit:"path" hot:"" help:"File of keys with scopes, in the format that castgate key new writes."`
	ControlAllow        []string      `unit:"networks" hot:"" help:"Addresses and networks from which control connections are accepted, separated by commas; default: any."`
	ControlCORSOrigins  []string      `name:"control-cors-origins" unit:"origins" hot:"" help:"Origins whose pages may call the control API from a browser, with a key, separated by commas. Each is exact, such as https://admin.example.com. Default: none."`
	ControlTLSCert      string        `default:"" unit:"path" hot:"" help:"Certificate of the control API in PEM; TLS is off without one. Reloaded when it changes."`
	ControlTLSKey       string        `default:"" unit:"path" hot:"" help:"Private key of control-tls-cert."`
	ControlClientCA     string        `default:"" unit:"path" hot:"" help:"CA certificates in PEM; callers of the control API must present a certificate signed by one of them."`
	ControlMaxBody      knob.Size     `default:"1MiB" unit:"bytes" hot:"" help:"Largest request body of the control API; a larger one is answered 413."`
	ControlMaxConns     int           `default:"256" unit:"connections" hot:"" help:"Maximum number of control connections with a valid key; half as many more may be open without one."`
	ControlReadTimeout  knob.Duration `default:"10s" unit:"duration" help:"Time allowed to read one control request."`
	ControlWriteTimeout knob.Duration `default:"30s" unit:"duration" help:"Time allowed to write each 16 KiB of a control response."`
	ControlIdleTimeout  knob.Duration `default:"1m" unit:"duration" help:"How long a control connection may be idle before it is closed."`
	ControlTimeout      knob.Duration `default:"10s" unit:"duration" hot:"" help:"Time allowed for one control request, waiting for deliveries included; after that a query, or the rest of a batch, is answered 503."`

	adminSettings

	AuditLog  string `default:"stderr" unit:"stderr, off or a path" hot:"" help:"Destination of audit records: kicks, session changes, reloads and refused keys. A reload reopens the file."`
	LogLevel  string `default:"info" unit:"debug, info, warn or error" hot:"" help:"Minimum log level."`
	LogFormat string `default:"text" unit:"text or json" help:"Format of the log on stderr."`
}

// mostStopDelay is the longest stop-delay.
const mostStopDelay = time.Hour

// effective is the result of settings: checked, with keys read.
type effective struct {
	server        server.Config
	control       control.Config
	gatewayworker gatewayworker.Config
	events        *events.Config     // nil if there are none
	hook          *events.HookConfig // nil if there is none
	admin         admin.Config
	adminMetrics  admin.Metrics
	cluster       clusterConfig
	logger        *slog.Logger
	level         *slog.LevelVar // of logger
	auditLog      string
	stopDelay     time.Duration
	src           *knob.Sources // of the settings
	read          knob.Reader
	files         []string // that were read
	// tokenKeys are the keys of tokens, by the setting that they come from.
	tokenKeys map[string][]token.Key
	// certificates are checksums of files of certificates and keys, by setting.
	certificates map[string][sha256.Size]byte
	warnings     []string // logged, but no reason to refuse the start
}

// resolve checks the settings and converts them to the configurations of other
// packages. The error names the setting and where its value came from.
func (s *settings) resolve(p *process.Process, src *knob.Sources) (*effective, error) {
	e, err := s.build(p, src.Read)
	if err != nil {
		return nil, startError(err, src)
	}
	e.asPHP(src)
	if e.src = src; src.Path != "" {
		e.files = append(e.files, src.Path)
	}
	return e, nil
}

// startError ends the program before it serves: with a usage error that names
// the value's origin if a setting is wrong, otherwise with a failure, for
// example an address in use.
func startError(err error, src *knob.Sources) error {
	e, ok := errors.AsType[*setting.Error](err)
	if !ok {
		return &process.Exit{Code: process.ExitFailed, Err: err}
	}
	err = knob.Flagged(err)
	if from := src.From[e.Name]; from != "" && !strings.HasPrefix(from, "--") {
		err = fmt.Errorf("%w (%s)", err, from)
	}
	return &process.Exit{Code: process.ExitUsage, Err: err}
}

// build checks the settings one by one. An error is a *setting.Error.
func (s *settings) build(p *process.Process, read knob.Reader) (e *effective, err error) {
	e = &effective{read: read, tokenKeys: map[string][]token.Key{}}
	if e.logger, e.level, err = logs.NewLogger(p.Stderr, s.LogLevel, s.LogFormat); err != nil {
		return nil, err
	}
	access, err := s.access(e)
	if err != nil {
		return nil, err
	}
	if err := logs.CheckAudit(s.AuditLog); err != nil {
		return nil, setting.Named("audit-log", err)
	}
	e.auditLog = s.AuditLog
	if e.stopDelay = time.Duration(s.StopDelay); e.stopDelay > mostStopDelay {
		return nil, setting.Errorf("stop-delay", "%v is not between 0 and %v", e.stopDelay, mostStopDelay)
	}
	policy, err := s.policy(e)
	if err != nil {
		return nil, err
	}
	e.server = server.Config{
		Listen: knob.Trimmed(s.Listen), Loops: s.Loops, Capacity: s.capacity(), Policy: policy,
		OnMessage: loop.OnMessage(s.OnMessage), InitMessage: s.InitMessage,
		DrainTimeout: time.Duration(s.DrainTimeout), DrainRate: s.DrainRate, ReusePort: s.ReusePort,
		Compress: s.Compress, CompressMin: int(s.CompressMin), CompressLevel: s.CompressLevel,
		NotsentLowat: int(s.NotsentLowat), ProxyProtocol: s.ProxyProtocol,
		TLSCerts: knob.Trimmed(s.TLSCert), TLSKeys: knob.Trimmed(s.TLSKey),
		TLSMinVersion: s.TLSMinVersion, TLSHandshakes: s.TLSHandshakes,
		Node: s.Node, ReserveFiles: s.ReserveFiles, Logger: e.logger,
	}
	for _, part := range []func(*effective) error{s.front, s.events, s.hook, s.cluster} {
		if err := part(e); err != nil {
			return nil, err
		}
	}
	if e.cluster.on() {
		config := e.cluster.config()
		e.server.Names = e.cluster.names
		if e.events != nil {
			e.events.Instance = e.cluster.instance
		}
		e.server.ClientIDs = &server.SharedIDs{Key: e.cluster.keys[0].ClientID, Start: config.Start()}
	}
	if err := e.server.Validate(); err != nil {
		return nil, err
	}
	e.control = control.Config{
		Listen: s.Control, ReusePort: s.ReusePort, Access: access,
		TLS:         control.TLS{Cert: s.ControlTLSCert, Key: s.ControlTLSKey, ClientCA: s.ControlClientCA},
		Limits:      control.Limits{MaxBody: int(s.ControlMaxBody), MaxConns: s.ControlMaxConns, RequestTimeout: time.Duration(s.ControlTimeout)},
		ReadTimeout: time.Duration(s.ControlReadTimeout), WriteTimeout: time.Duration(s.ControlWriteTimeout),
		IdleTimeout: time.Duration(s.ControlIdleTimeout),
		Logger:      e.logger,
	}
	if err := e.control.Validate(); err != nil {
		return nil, err
	}
	if e.admin, err = s.adminSettings.config(access.Keyed()); err != nil {
		return nil, err
	}
	if err := e.clash(); err != nil {
		return nil, err
	}
	if err := e.checkCallers(); err != nil {
		return nil, err
	}
	s.markCertificates(e)
	return e, nil
}

// capacity copies the limits of the server: each field of capacity.Capacity from the
// setting of the same name.
func (s *settings) capacity() (c capacity.Capacity) {
	from, to := reflect.ValueOf(s).Elem(), reflect.ValueOf(&c).Elem()
	for i := range to.NumField() {
		field := to.Type().Field(i)
		to.Field(i).Set(from.FieldByName(field.Name).Convert(field.Type))
	}
	return c
}

// access reads who may use the control API.
func (s *settings) access(e *effective) (a access.Access, err error) {
	if a.Keys, e.warnings, err = keys.Read(s.ControlKey, e.read); err != nil {
		return a, setting.Named("control-key", err)
	}
	for _, v := range knob.Trimmed(s.ControlKey) {
		if path, isFile := strings.CutPrefix(v, "@"); isFile {
			e.files = append(e.files, path)
		}
	}
	if path := s.ControlKeysFile; path != "" {
		var warning string
		if a.ScopedKeys, warning, err = keys.ReadScoped(path, e.read); err != nil {
			return a, setting.Named("control-keys-file", err)
		}
		e.files = append(e.files, path)
		if warning != "" {
			e.warnings = append(e.warnings, warning)
		}
	}
	a.Origins = knob.Trimmed(s.ControlCORSOrigins)
	if a.Allow, err = s.networks(e, "control-allow", s.ControlAllow); err != nil {
		return a, err
	}
	return a, nil
}

// networks parses a list of networks and adds its warnings to e.
func (s *settings) networks(e *effective, name string, items []string) ([]netip.Prefix, error) {
	networks, warnings, err := knob.Networks(items)
	for _, w := range warnings {
		e.warnings = append(e.warnings, name+": "+w)
	}
	return networks, setting.Named(name, err)
}
