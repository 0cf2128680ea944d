package server

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/golang-jwt/jwt/v5"

	"castgate/server/admission"
	"castgate/server/loop"
	"castgate/server/token"
)

// BenchmarkEchoBesideTokenFlood is what a connected client notices of
// handshakes with tokens whose ES256 signature is wrong: the time of an echo,
// while 16 attackers connect as fast as they are refused, and with handshakes
// that bring no token for comparison.
func BenchmarkEchoBesideTokenFlood(b *testing.B) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		b.Fatal(err)
	}
	keys, err := token.PEM(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	if err != nil {
		b.Fatal(err)
	}
	other, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	bad, err := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{"sub": "ann"}).SignedString(other)
	if err != nil {
		b.Fatal(err)
	}
	for _, flood := range []struct {
		name, target string
		attackers    int
	}{{"quiet", "", 0}, {"no_token", "/", 16}, {"bad_token", "/?t=" + bad, 16}} {
		b.Run(flood.name, func(b *testing.B) {
			s := startServer(b, func(c *Config) {
				c.Loops = 1
				c.OnMessage = loop.OnMessageEcho
				c.JWT = admission.JWT{Rules: token.Rules{Keys: keys}, Query: "t", Required: true}
			})
			good, err := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{"sub": "ann"}).SignedString(key)
			if err != nil {
				b.Fatal(err)
			}
			s.url += "?t=" + good
			ws, _ := s.dialAs()
			stop := s.attack(flood.attackers, strings.Replace(upgradeRequest, "GET /", "GET "+flood.target, 1))
			var times []time.Duration
			ctx := context.Background()
			for b.Loop() {
				began := time.Now()
				if err := ws.Write(ctx, websocket.MessageText, []byte("x")); err != nil {
					b.Fatal(err)
				}
				if _, _, err := ws.Read(ctx); err != nil {
					b.Fatal(err)
				}
				times = append(times, time.Since(began))
			}
			refused := stop()
			slices.Sort(times)
			b.ReportMetric(float64(times[len(times)/2].Microseconds()), "p50-us")
			b.ReportMetric(float64(times[len(times)*99/100].Microseconds()), "p99-us")
			b.ReportMetric(float64(refused)/b.Elapsed().Seconds(), "refused/s")
		})
	}
}

// attack has n attackers send a request again and again, until the function
// that it answers is called; that answers how many were refused.
func (s *testServer) attack(n int, request string) (stop func() int64) {
	var refused atomic.Int64
	var stopped atomic.Bool
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			var b [1024]byte
			for !stopped.Load() {
				c, err := net.Dial("tcp", s.Addr().String())
				if err != nil {
					continue
				}
				_, _ = c.Write([]byte(request))
				if n, _ := c.Read(b[:]); n > 0 {
					refused.Add(1)
				}
				_ = c.(*net.TCPConn).SetLinger(0) // no port waits
				_ = c.Close()
			}
		})
	}
	return func() int64 {
		stopped.Store(true)
		wg.Wait()
		return refused.Load()
	}
}
