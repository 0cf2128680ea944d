package control

import (
	"context"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/valyala/fasthttp"

	"castgate/server/gateway"
)

// quickGateway is a gateway that only answers pushes.
type quickGateway struct {
	gateway.Gateway
	matched int
}

func (g *quickGateway) Push(context.Context, gateway.Push) (gateway.PushResult, error) {
	return gateway.PushResult{Matched: g.matched, Queued: g.matched}, nil
}

// nopConn is a connection on which nothing happens.
type nopConn struct{}

func (nopConn) Read([]byte) (int, error)         { return 0, io.EOF }
func (nopConn) Write(b []byte) (int, error)      { return len(b), nil }
func (nopConn) Close() error                     { return nil }
func (nopConn) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (nopConn) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (nopConn) SetDeadline(time.Time) error      { return nil }
func (nopConn) SetReadDeadline(time.Time) error  { return nil }
func (nopConn) SetWriteDeadline(time.Time) error { return nil }

// request makes a request for the handler, without a socket.
func request(c net.Conn, method, path, body string) *fasthttp.RequestCtx {
	ctx := &fasthttp.RequestCtx{}
	ctx.Init2(c, nil, false)
	ctx.Request.Header.SetMethod(method)
	ctx.Request.SetRequestURI(path)
	ctx.Request.Header.SetHost("control")
	ctx.Request.SetBodyString(body)
	return ctx
}

// streamRequest requests all clients as NDJSON.
func (p *port) streamRequest() *http.Request {
	req, err := http.NewRequest("GET", p.base+"/v1/clients", nil)
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header.Set("Accept", ndjsonType)
	return req
}
