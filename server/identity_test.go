package server

import (
	"context"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/golang-jwt/jwt/v5"

	"castgate/codec/codectest"
	"castgate/server/admission"
	"castgate/server/capacity"
	"castgate/server/gateway"
	"castgate/server/kernel"
	"castgate/server/token"
	"castgate/server/token/tokentest"
)

func trusting(networks ...string) []netip.Prefix {
	var list []netip.Prefix
	for _, n := range networks {
		list = append(list, netip.MustParsePrefix(n))
	}
	return list
}

// dialAs dials with a token, in what a page offers as subprotocols.
func (s *testServer) dialAs(offers ...string) (*websocket.Conn, string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	ws, _, err := websocket.Dial(ctx, s.url, &websocket.DialOptions{Subprotocols: offers})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = ws.CloseNow() })
	_, init, err := ws.Read(ctx)
	if err != nil {
		s.t.Fatal(err)
	}
	return ws, strings.Split(string(init), `"`)[7]
}

// A client with a token is bound and in its groups when it gets its init
// message, and closed when the token ends; others are not.
func TestToken(t *testing.T) {
	s, clock := startOnClock(t, func(c *Config) {
		c.JWT = admission.JWT{Rules: token.Rules{Keys: tokentest.Keys(t), Leeway: time.Minute}}
		c.PingInterval = capacity.MinTimeout // the loop looks at its clients as often
	})
	now := clock.now().Unix()
	other := s.dial()
	lasting, lastingID := s.dialAs("bearer." + tokentest.Sign(t, jwt.MapClaims{"sub": "bob", "exp": int64(9e9)}))
	lasting.CloseRead(context.Background()) // answers pings
	ids := []string{other.id, lastingID}
	for _, offers := range [][]string{{"castgate", "bearer.%s"}, {"bearer.%s", "castgate"}, {"bearer.%s"}, {"other", "bearer.%s"}} {
		text := tokentest.Sign(t, jwt.MapClaims{"sub": "ann", "groups": []string{"news", "ops"}, "exp": now + 3600})
		want := "castgate"
		for i, o := range offers {
			if o == "bearer.%s" {
				offers[i] = "bearer." + text
			}
		}
		if !strings.Contains(strings.Join(offers, " "), "castgate") {
			want = "bearer." + text
		}
		ws, id := s.dialAs(offers...)
		ws.CloseRead(context.Background())
		ids = append(ids, id)
		if got := ws.Subprotocol(); got != want {
			t.Errorf("%.30q: %.40q was selected", offers, got)
		}
		info, err := s.Client(context.Background(), id)
		if err != nil || info.UID != "ann" || fmt.Sprint(info.Groups) != "[news ops]" {
			t.Errorf("%+v, %v", info, err)
		}
	}
	if st := s.stats(); st.Connections != 6 || st.Handshakes["ok"] != 6 {
		t.Errorf("%+v", st)
	}
	clock.advance(time.Hour + 30*time.Second)
	before := s.stats().Pings
	clock.eventually(s, "some deadlines to be looked at", func() bool {
		for _, id := range ids {
			clock.awaitPong(s, id)
		}
		return s.stats().Pings > before+12
	})
	if st := s.stats(); st.Connections != 6 {
		t.Errorf("closed before the leeway was over: %+v", st.Closes)
	}
	clock.advance(30 * time.Second)
	clock.eventually(s, "the tokens to end", func() bool {
		clock.awaitPong(s, other.id)
		clock.awaitPong(s, lastingID)
		return s.stats().Closes["token_expired"] == 4
	})
	s.push(gateway.Targets{ClientIDs: []string{other.id}}, "still here")
	other.expect("still here")
	if st := s.stats(); st.Connections != 2 || st.Closes["ping_timeout"] != 0 {
		t.Errorf("%+v", st)
	}
}

// A page that offers a token beside castgate can connect where no token is
// looked for: a browser ends a connection of which nothing was selected.
func TestSubprotocolWithoutTokens(t *testing.T) {
	s := startServer(t, nil)
	for _, try := range []struct {
		offers []string
		want   string
	}{
		{[]string{"castgate", "bearer.abc"}, "castgate"},
		{[]string{"bearer.abc", "castgate"}, "castgate"},
		{[]string{"castgate"}, "castgate"},
		{[]string{"bearer.abc"}, ""},
		{[]string{"Castgate", "other"}, ""},
		{nil, ""},
	} {
		ws, _ := s.dialAs(try.offers...)
		if got := ws.Subprotocol(); got != try.want {
			t.Errorf("%q: %q was selected, want %q", try.offers, got, try.want)
		}
	}
}

// A token that ends is no uid: who has one without sub must be bound in time
// all the same, and who was is closed when the token ends.
func TestUnboundWithToken(t *testing.T) {
	s, clock := startOnClock(t, func(c *Config) {
		c.JWT = admission.JWT{Rules: token.Rules{Keys: tokentest.Keys(t)}}
		c.UnboundTimeout = 2 * kernel.Tick
		c.PingInterval = capacity.MinTimeout
	})
	end := clock.now().Unix() + 3600
	nobody, _ := s.dialAs("bearer." + tokentest.Sign(t, jwt.MapClaims{"exp": end}))
	clock.pass(s, 3)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, _, err := nobody.Read(ctx)
	var e websocket.CloseError
	if !asClose(err, &e) || e.Code != 1008 || e.Reason != "not bound in time" {
		t.Errorf("a client that nobody has bound ended with %v", err)
	}
	ann, id := s.dialAs("bearer." + tokentest.Sign(t, jwt.MapClaims{"sub": "ann", "exp": end}))
	ann.CloseRead(context.Background()) // answers pings
	before := s.stats().Pings
	clock.eventually(s, "some deadlines to be looked at", func() bool {
		clock.awaitPong(s, id)
		return s.stats().Pings > before+4
	})
	if st := s.stats(); st.Connections != 1 || st.Closes["unbound"] != 1 {
		t.Errorf("%+v", st)
	}
	clock.advance(2 * time.Hour)
	clock.eventually(s, "the token to end", func() bool { return s.stats().Closes["token_expired"] == 1 })
}

func TestTokenExpiryOnTheWire(t *testing.T) {
	s, clock := startOnClock(t, func(c *Config) {
		c.JWT = admission.JWT{Rules: token.Rules{Keys: tokentest.Keys(t)}}
		c.PingInterval = capacity.MinTimeout
	})
	ws, _ := s.dialAs("bearer." + tokentest.Sign(t, jwt.MapClaims{"sub": "ann", "exp": clock.now().Unix() + 10}))
	clock.advance(11 * time.Second)
	clock.pass(s, 1)
	_, _, err := ws.Read(context.Background())
	var e websocket.CloseError
	if !asClose(err, &e) || e.Code != 3401 || e.Reason != "token expired" {
		t.Errorf("ended with %v", err)
	}
}

func TestTokensRefused(t *testing.T) {
	now := time.Now().Unix()
	s := startServer(t, func(c *Config) {
		c.JWT = admission.JWT{Rules: token.Rules{Keys: tokentest.Keys(t), Issuer: "login", Audience: "push"}, Cookie: "tok", Query: "tok", Required: true}
	})
	claims := func(change jwt.MapClaims) string {
		c := jwt.MapClaims{"sub": "ann", "iss": "login", "aud": "push"}
		for k, v := range change {
			c[k] = v
		}
		return tokentest.Sign(t, c)
	}
	good := claims(nil)
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + strings.Split(good, ".")[1] + "."
	for _, try := range []struct {
		name, protocol, cookie, query string
		status                        int
		label, reason                 string
	}{
		{name: "protocol", protocol: "castgate, bearer." + good, status: 101, label: "ok"},
		{name: "cookie", cookie: "a=b; tok=" + good, status: 101, label: "ok"},
		{name: "query", query: "tok=" + good, status: 101, label: "ok"},
		{name: "protocol first", protocol: "bearer." + good, cookie: "tok=x", query: "tok=x", status: 101, label: "ok"},
		{name: "none", status: 401, label: "token_missing", reason: "token_missing"},
		{name: "empty", protocol: "bearer.", cookie: "tok=", query: "tok=", status: 401, label: "token_missing", reason: "token_missing"},
		{name: "two", protocol: "bearer." + good + ", bearer." + good, status: 401, label: "token_invalid", reason: "token_repeated"},
		{name: "no subprotocol", protocol: "bearer. " + good, status: 401, label: "token_invalid", reason: "token_malformed"},
		{name: "padding", protocol: "castgate, bearer." + good + "=", status: 401, label: "token_invalid", reason: "token_malformed"},
		{name: "garbage", query: "tok=garbage", status: 401, label: "token_invalid", reason: "token_malformed"},
		{name: "alg none", query: "tok=" + none, status: 401, label: "token_invalid", reason: "token_algorithm"},
		{name: "expired", query: "tok=" + claims(jwt.MapClaims{"exp": now - 1}), status: 401, label: "token_expired", reason: "token_expired"},
		{name: "early", query: "tok=" + claims(jwt.MapClaims{"nbf": now + 3600}), status: 401, label: "token_early", reason: "token_not_yet_valid"},
		{name: "audience", query: "tok=" + claims(jwt.MapClaims{"aud": "other"}), status: 401, label: "token_audience", reason: "token_audience"},
		{name: "issuer", query: "tok=" + claims(jwt.MapClaims{"iss": "other"}), status: 401, label: "token_issuer", reason: "token_issuer"},
		{name: "long uid", query: "tok=" + claims(jwt.MapClaims{"sub": strings.Repeat("x", 129)}), status: 401, label: "token_claims", reason: "token_claim"},
		{name: "empty group", query: "tok=" + claims(jwt.MapClaims{"groups": []string{""}}), status: 401, label: "token_claims", reason: "token_claim"},
		{name: "wrong type", query: "tok=" + claims(jwt.MapClaims{"exp": "soon"}), status: 401, label: "token_claims", reason: "token_claim"},
		{name: "numeric sub", query: "tok=" + claims(jwt.MapClaims{"sub": 42}), status: 101, label: "ok"},
		{name: "other secret", query: "tok=" + good[:len(good)-4] + "AAAA", status: 401, label: "token_invalid", reason: "token_signature"},
		{name: "100 KB", query: "tok=" + claims(jwt.MapClaims{"pad": strings.Repeat("x", 100<<10)}), status: 431, label: "too_large"},
	} {
		before, refused := s.stats().Handshakes[try.label], s.stats().TokensRefused[try.reason]
		header := http.Header{}
		if try.protocol != "" {
			header.Set("Sec-WebSocket-Protocol", try.protocol)
		}
		if try.cookie != "" {
			header.Set("Cookie", try.cookie)
		}
		if got := s.rawStatus("/?"+try.query, header); got != try.status {
			t.Errorf("%s: %d, want %d", try.name, got, try.status)
		}
		eventually(t, "its counter", func() bool { return s.stats().Handshakes[try.label] == before+1 })
		if try.reason != "" && s.stats().TokensRefused[try.reason] != refused+1 {
			t.Errorf("%s: refused for %v", try.name, s.stats().TokensRefused)
		}
	}
}

// rawStatus sends a handshake and returns the status.
func (s *testServer) rawStatus(target string, header http.Header) int {
	s.t.Helper()
	c, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		s.t.Fatal(err)
	}
	defer c.Close()
	var lines strings.Builder
	_ = header.Write(&lines)
	return exchange(s.t, c, "GET "+target+" HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: Y2FzdGdhdGUgcmVhZG1lIQ==\r\n"+lines.String()+"\r\n")
}

// exchange writes and returns the status of what comes.
func exchange(t testing.TB, c net.Conn, request string) (status int) {
	t.Helper()
	_ = c.SetDeadline(time.Now().Add(patience))
	go func() { _, _ = c.Write([]byte(request)) }()
	var b [64]byte
	n, err := c.Read(b[:])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscanf(string(b[:n]), "HTTP/1.1 %d ", &status); err != nil {
		t.Fatalf("%q: %v", b[:n], err)
	}
	return status
}

// A client that leaves while its token waits harms nobody.
func TestLeavingWhileATokenWaits(t *testing.T) {
	hold, asked := make(chan struct{}), make(chan struct{}, 16)
	issuer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		select {
		case <-hold:
		case <-r.Context().Done():
		}
		w.WriteHeader(http.StatusNotFound)
	}))
	defer issuer.Close()
	s := startServer(t, func(c *Config) {
		c.JWT = admission.JWT{JWKS: issuer.URL, JWKSRefresh: time.Hour, Query: "t"}
	})
	<-asked
	target := "/?t=" + tokentest.Sign(t, jwt.MapClaims{"sub": "ann"})
	gone := s.dialTCP()
	request := strings.Replace(upgradeRequest, "/", target, 1)
	_, _ = gone.Write([]byte(request))
	eventually(t, "its request", func() bool { return s.stats().BytesIn == uint64(len(request)) })
	s.settle()
	if n := s.stats().Handshakes["ok"]; n != 0 {
		t.Errorf("%d clients whose tokens wait", n)
	}
	_ = gone.Close()
	eventually(t, "the client to be gone", func() bool { return s.stats().Handshakes["gone"] == 1 && s.stats().Sockets == 0 })
	close(hold)
	if got := s.rawStatus(target, nil); got != http.StatusServiceUnavailable {
		t.Errorf("later answered %d", got)
	}
	if st := s.stats(); st.Handshakes["token_busy"] != 1 || st.Panics != 0 {
		t.Errorf("%v", st.Handshakes)
	}
}

// The address of a client is what a trusted peer says, and nobody else; limits
// go by it.
func TestForwardedAddress(t *testing.T) {
	s := startServer(t, func(c *Config) {
		c.TrustedProxies = trusting("127.0.0.0/8", "10.0.0.0/8")
		c.MaxConnsPerIP = 1
	})
	addr := func(header http.Header) (string, int) {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		ws, resp, err := websocket.Dial(ctx, s.url, &websocket.DialOptions{HTTPHeader: header})
		if err != nil {
			return "", resp.StatusCode
		}
		t.Cleanup(func() { _ = ws.CloseNow() })
		_, init, err := ws.Read(ctx)
		if err != nil {
			t.Fatal(err)
		}
		info, err := s.Client(ctx, strings.Split(string(init), `"`)[7])
		if err != nil {
			t.Fatal(err)
		}
		return info.RemoteAddr, resp.StatusCode
	}
	for _, try := range []struct {
		name, value, addr string
		status            int
	}{
		{"X-Forwarded-For", "198.51.100.1, 203.0.113.7, 10.1.1.1", "203.0.113.7:0", 101},
		{"X-Forwarded-For", "198.51.100.2, 203.0.113.7", "", 429},
		{"Forwarded", `for="[2001:db8::1]:4711";proto=https`, "[2001:db8::1]:4711", 101},
		{"Forwarded", `for="[2001:db8::2]"`, "", 429}, // the same /64
		{"Forwarded", `for="[2001:db8:0:1::2]"`, "[2001:db8:0:1::2]:0", 101},
		{"X-Forwarded-For", "garbage", "127.0.0.1", 101}, // as its proxy
		{"X-Forwarded-For", "unknown", "", 429},
		{"X-Real-IP", "203.0.113.9", "127.0.0.1", 101}, // a proxy itself is not limited
		{"X-Real-IP", "203.0.113.9", "127.0.0.1", 101},
	} {
		got, status := addr(http.Header{try.name: {try.value}})
		if status != try.status || !strings.HasPrefix(got, try.addr) {
			t.Errorf("%s: %s: %q, %d, want %q, %d", try.name, try.value, got, status, try.addr, try.status)
		}
	}
	if _, status := addr(http.Header{"X-Forwarded-For": {"203.0.113.10"}, "Forwarded": {"for=203.0.113.11"}}); status != 400 {
		t.Errorf("two that disagree: %d", status)
	}
	if err := s.SetPolicy(admission.Policy{TrustedProxies: trusting("10.0.0.0/8")}); err != nil {
		t.Fatal(err)
	}
	if got, status := addr(http.Header{"X-Forwarded-For": {"203.0.113.12"}}); status != 101 || !strings.HasPrefix(got, "127.0.0.1:") {
		t.Errorf("a stranger's word counts: %q, %d", got, status)
	}
}

const upgradeRequest = codectest.Upgrade

func TestProxyHeader(t *testing.T) {
	s := startServer(t, func(c *Config) {
		c.TrustedProxies, c.ProxyProtocol = trusting("127.0.0.0/8"), true
		c.MaxConnsPerIP = 2
	})
	const v1 = "PROXY TCP4 203.0.113.7 127.0.0.1 4711 7272\r\n"
	const v2 = "\r\n\r\n\x00\r\nQUIT\n\x21\x21\x00\x24" +
		"\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x12\x67\x1c\x68"
	const local = "\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00"
	for _, try := range []struct {
		header, addr string
		status       int
		label        string
	}{
		{v1, "203.0.113.7:4711", 101, "ok"},
		{v2, "[2001:db8::1]:4711", 101, "ok"},
		{local, "127.0.0.1:", 101, "ok"},
		{"PROXY UNKNOWN\r\n", "127.0.0.1:", 101, "ok"},
		{"", "", 400, "proxy_header"},
		{"PROXY garbage\r\n", "", 400, "proxy_header"},
		{strings.Repeat("P", 5000), "", 400, "proxy_header"},
	} {
		for _, step := range []int{1, 7, 1 << 20} {
			before := s.stats().Handshakes[try.label]
			c, err := net.Dial("tcp", s.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			for b := []byte(try.header + upgradeRequest); len(b) > 0 && step < 1<<20; {
				n := min(step, len(b)-1)
				if n == 0 || s.stats().Handshakes[try.label] > before {
					break
				}
				_, _ = c.Write(b[:n])
				b = b[n:]
				if len(b) == 1 {
					if got := exchange(t, c, string(b)); got != try.status {
						t.Errorf("%.20q in steps of %d: %d", try.header, step, got)
					}
				}
			}
			if step == 1<<20 {
				if got := exchange(t, c, try.header+upgradeRequest); got != try.status {
					t.Errorf("%.20q: %d", try.header, got)
				}
			}
			eventually(t, "the handshake", func() bool { return s.stats().Handshakes[try.label] == before+1 })
			if page, err := s.Clients(context.Background(), gateway.List{}); try.status == 101 &&
				(err != nil || len(page.Rows) != 1 || !strings.HasPrefix(page.Rows[0].RemoteAddr, try.addr)) {
				t.Errorf("%.20q: %+v, %v", try.header, page.Rows, err)
			}
			_ = c.Close()
			eventually(t, "the end", func() bool { return s.stats().Sockets == 0 })
		}
	}
	// Two connections of the address that the header names, and no third.
	var open []net.Conn
	for i, want := range []int{101, 101, 429} {
		c, err := net.Dial("tcp", s.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, c)
		if got := exchange(t, c, v1+upgradeRequest); got != want {
			t.Errorf("connection %d: %d, want %d", i, got, want)
		}
	}
	for _, c := range open {
		_ = c.Close()
	}
}

// A header from an address that is not trusted is no request.
func TestProxyHeaderOfAStranger(t *testing.T) {
	s := startServer(t, func(c *Config) { c.TrustedProxies, c.ProxyProtocol = trusting("10.0.0.0/8"), true })
	for _, header := range []string{"PROXY TCP4 203.0.113.7 127.0.0.1 4711 7272\r\n", "\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00"} {
		c, err := net.Dial("tcp", s.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if got := exchange(t, c, header+upgradeRequest); got != 400 {
			t.Errorf("answered %d", got)
		}
		_ = c.Close()
	}
	if st := s.stats(); st.Handshakes["proxy_header"] != 2 {
		t.Errorf("%v", st.Handshakes)
	}
	s.dial().ws.CloseNow()
}
