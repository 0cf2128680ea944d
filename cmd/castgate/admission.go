package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"castgate/cmd/castgate/internal/knob"
	"castgate/server/admission"
	"castgate/server/setting"
	"castgate/server/token"
)

// admissionSettings say who may connect and how much each client may do.
type admissionSettings struct {
	ProxyProtocol     bool      `default:"false" unit:"true or false" help:"Expect a PROXY protocol header, version 1 or 2, at the start of each connection from a trusted proxy."`
	TrustedProxies    []string  `unit:"networks" hot:"" help:"Addresses and networks of proxies whose X-Forwarded-For, Forwarded and PROXY headers are trusted, separated by commas. The limits per address do not apply to the proxies themselves. Default: none."`
	MaxConnsPerIp     int       `default:"0" unit:"connections" hot:"" help:"Maximum number of connections per IPv4 address or IPv6 /64; further ones are answered 429. 0 is off."`
	ConnectRatePerIp  knob.Rate `default:"0" unit:"per second" hot:"" help:"Connections per second that an IPv4 address or IPv6 /64 may open; further ones are answered 429. 0 is off."`
	ConnectBurstPerIp int       `default:"0" unit:"connections" auto:"one second's" hot:"" help:"Burst of connections that an IPv4 address or IPv6 /64 may open after a pause; 0 means one second's worth of connect-rate-per-ip."`
	HandshakeRate     knob.Rate `default:"0" unit:"per second" hot:"" help:"Connections per second accepted from all addresses together; further ones wait in the kernel's queue. 0 is off."`
	HandshakeBurst    int       `default:"0" unit:"connections" auto:"one second's" hot:"" help:"Burst of connections accepted after a pause; 0 means one second's worth of handshake-rate."`
	MessageRate       knob.Rate `default:"0" unit:"per second" hot:"" help:"Messages and pings per second that a client may send, a message counted at its first frame; a client above the rate is closed with 1008. 0 is off."`
	MessageBurst      int       `default:"0" unit:"messages" auto:"one second's" hot:"" help:"Burst of messages that a client may send after a pause; 0 means one second's worth of message-rate."`
	ByteRate          knob.Size `default:"0B" unit:"bytes per second" hot:"" help:"Bytes per second that a client may send; a client above the rate is closed with 1008. 0 is off."`
	ByteBurst         knob.Size `default:"0B" unit:"bytes" auto:"one second's, at least max-message and 64KiB" hot:"" help:"Burst of bytes that a client may send after a pause, at least max-message plus 64KiB; 0 means one second's worth of byte-rate, but no less than that minimum."`

	JwtSecret      string        `default:"" unit:"text or @path" hot:"" help:"Secret for HS256 tokens in client handshakes, at least 32 bytes; @/path reads it from a file."`
	JwtPublicKey   string        `default:"" unit:"path" hot:"" help:"PEM file of public keys or certificates for RS256, ES256 and EdDSA tokens."`
	JwtJwks        string        `default:"" unit:"path or URL" hot:"" help:"JSON Web Key Set for tokens: a file, or an https:// URL (http:// only to this host). A URL is fetched at intervals and when a token names an unknown key."`
	JwtJwksRefresh knob.Duration `default:"1h" unit:"duration" hot:"" help:"Longest interval between fetches of jwt-jwks, 1m to 24h; the response's Cache-Control may shorten it."`
	JwtIssuer      string        `default:"" unit:"text" hot:"" help:"Required iss of tokens; default: any."`
	JwtAudience    string        `default:"" unit:"text" hot:"" help:"Required aud of tokens; default: any."`
	JwtLeeway      knob.Duration `default:"5s" unit:"duration" hot:"" help:"Tolerated clock difference between issuer and gateway: a token is valid this long before its nbf and after its exp."`
	JwtCookie      string        `default:"" unit:"name" hot:"" help:"Cookie that carries the token if Sec-WebSocket-Protocol does not; default: none."`
	JwtQuery       string        `default:"" unit:"name" hot:"" help:"Query parameter that carries the token if nothing else does; default: none. URLs end up in logs."`
	JwtRequired    bool          `default:"false" unit:"true or false" hot:"" help:"Refuse clients without a token. Otherwise they connect unbound."`
}

// policy returns the part of the gateway's settings that can change while it
// runs. An error is a *setting.Error.
func (s *settings) policy(e *effective) (p admission.Policy, err error) {
	p = admission.Policy{
		AllowedOrigins: knob.Trimmed(s.AllowedOrigins), CompressNotFor: knob.Trimmed(s.CompressNotFor),
		MaxConnsPerIP: s.MaxConnsPerIp,
		ConnectRate:   float64(s.ConnectRatePerIp), ConnectBurst: s.ConnectBurstPerIp,
		HandshakeRate: float64(s.HandshakeRate), HandshakeBurst: s.HandshakeBurst,
		MessageRate: float64(s.MessageRate), MessageBurst: s.MessageBurst,
		ByteRate: int(s.ByteRate), ByteBurst: int(s.ByteBurst),
		JWT: admission.JWT{
			Rules:       token.Rules{Issuer: s.JwtIssuer, Audience: s.JwtAudience, Leeway: time.Duration(s.JwtLeeway)},
			JWKSRefresh: time.Duration(s.JwtJwksRefresh),
			Cookie:      s.JwtCookie, Query: s.JwtQuery, Required: s.JwtRequired,
		},
	}
	if p.TrustedProxies, err = s.networks(e, "trusted-proxies", s.TrustedProxies); err != nil {
		return p, err
	}
	for _, source := range []struct {
		name, value string
		read        func(e *effective, value string) ([]token.Key, error)
	}{
		{"jwt-secret", s.JwtSecret, readTokenSecret},
		{"jwt-public-key", s.JwtPublicKey, readTokenKeys(token.PEM)},
		{"jwt-jwks", s.JwtJwks, readTokenKeys(token.JWKS)},
	} {
		if source.value == "" {
			continue
		}
		if source.name == "jwt-jwks" && isURL(source.value) {
			p.JWT.JWKS = source.value
			continue
		}
		keys, err := source.read(e, source.value)
		if err != nil {
			return p, setting.Named(source.name, err)
		}
		e.tokenKeys[source.name] = keys
		p.JWT.Keys = append(p.JWT.Keys, keys...)
	}
	return p, nil
}

// isURL distinguishes a URL from a path.
func isURL(text string) bool { return strings.Contains(text, "://") }

// readTokenSecret returns a secret, or the content of the file that holds it
// without line ends at its end. Errors never show it.
func readTokenSecret(e *effective, value string) ([]token.Key, error) {
	secret := []byte(value)
	if path, isFile := strings.CutPrefix(value, "@"); isFile {
		text, err := e.read(path)
		if err != nil {
			return nil, err
		}
		e.files = append(e.files, path)
		secret = []byte(strings.TrimRight(string(text), "\r\n"))
		if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o044 != 0 {
			e.warnings = append(e.warnings, fmt.Sprintf("the secret file %s can be read by others (mode %04o); chmod 600 it", path, info.Mode().Perm()))
		}
	}
	k, err := token.Secret(secret)
	return []token.Key{k}, err
}

// readTokenKeys makes a reader of key files from a parser of their text.
func readTokenKeys(parse func([]byte) ([]token.Key, error)) func(*effective, string) ([]token.Key, error) {
	return func(e *effective, path string) ([]token.Key, error) {
		text, err := e.read(path)
		if err != nil {
			return nil, err
		}
		e.files = append(e.files, path)
		keys, err := parse(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		return keys, nil
	}
}
