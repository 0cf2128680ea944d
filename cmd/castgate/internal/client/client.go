// Package client speaks to a running gateway: to its control API, or to the port of its admin
// page.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"castgate/cmd/castgate/internal/keys"
	"castgate/cmd/castgate/internal/knob"
	"castgate/cmd/castgate/internal/process"
)

// answerLimit is the largest single answer that is read into memory, in bytes.
// Listings and batches are streamed and not limited.
const answerLimit = 64 << 20

// Connection are the flags of every verb that talks to a gateway.
type Connection struct {
	knob.ConfigFile
	Control    string        `default:"127.0.0.1:7273" unit:"host:port, unix:/path, http:// or https:// URL" help:"Control API of the gateway."`
	ControlKey []string      `unit:"keys" help:"Control API key, or @/path of a file of keys, whose first key is used."`
	CAFile     string        `name:"ca-file" placeholder:"FILE" help:"CA certificates in PEM to trust for an https:// gateway; default: the system's."`
	ClientCert string        `placeholder:"FILE" help:"Client certificate in PEM, for a gateway with control-client-ca."`
	ClientKey  string        `placeholder:"FILE" help:"Private key of --client-cert."`
	Timeout    knob.Duration `default:"30s" help:"How long to wait for a response; 0 waits forever."`
}

// Client makes requests of one gateway's control API.
type Client struct {
	http http.Client
	base string // http://host:port
	key  string
	of   port // that it speaks to

	version string // of the program, for the User-Agent
}

// Open makes the client; it does not connect yet.
func (c *Connection) Open(p *process.Process) (*Client, error) { return c.open(p, controlPort) }

// open makes a client of a port, whose address is that of the control API in c.
func (c *Connection) open(p *process.Process, of port) (*Client, error) {
	keys, _, err := keys.Read(c.ControlKey, knob.ReadLimited)
	if err != nil {
		return nil, process.Failf(process.ExitUsage, "--control-key: %w", err)
	}
	to, err := parseControl(c.Control)
	if err != nil {
		return nil, process.Failf(process.ExitUsage, "%s: %w", of.flag, err)
	}
	trust, err := c.trust(to.secure, of)
	if err != nil {
		return nil, process.Failf(process.ExitUsage, "%w", knob.Flagged(err))
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, to.network, to.address)
	}
	cl := &Client{base: to.base(), of: of, version: p.Version}
	if len(keys) > 0 {
		cl.key = keys[0]
	}
	cl.http = http.Client{
		Timeout: time.Duration(c.Timeout),
		// No proxy: the key is for the gateway alone.
		Transport: &http.Transport{DialContext: dial, TLSClientConfig: trust},
		// A gateway never redirects; a server that does is not one, and gets no
		// key.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return cl, nil
}

// Request is one call of the control API.
type Request struct {
	Method, Path string
	Body         []byte // nil for none
	ContentType  string // of body; "" means JSON
	Accept       string // "" means JSON
}

// Send makes the request and returns the body of a 2xx answer, which the caller
// must close. Any other answer is an error made from its problem document.
func (cl *Client) Send(r Request) (*http.Response, error) {
	req, err := http.NewRequest(r.Method, cl.base+r.Path, bytes.NewReader(r.Body))
	if err != nil {
		return nil, err
	}
	if r.Body != nil {
		req.Header.Set("Content-Type", orDefault(r.ContentType, "application/json"))
	}
	req.Header.Set("Accept", orDefault(r.Accept, "application/json"))
	req.Header.Set("User-Agent", "castgate/"+cl.version)
	if cl.key != "" {
		req.Header.Set("Authorization", "Bearer "+cl.key)
	}
	resp, err := cl.http.Do(req)
	if err != nil {
		return nil, cl.Explained(err)
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		defer resp.Body.Close()
		return nil, cl.problemOf(resp)
	}
	return resp, nil
}

func orDefault(s, def string) string {
	if s == "" {
		return def
	}
	return s
}

// host is host:port of the URL.
func (cl *Client) host() string {
	_, host, _ := strings.Cut(cl.base, "://")
	return host
}

// notTLS begins the answer of net/http, which serves the admin page, to who speaks no TLS
// where it must.
const notTLS = "Client sent an HTTP request to an HTTPS server"

// problemOf makes an error from an answer that is not 2xx: detail and code of
// the problem document, or else the status.
func (cl *Client) problemOf(resp *http.Response) error {
	var problem struct{ Code, Title, Detail string }
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if bytes.HasPrefix(body, []byte(notTLS)) {
		return fmt.Errorf("%s speaks TLS; use %s https://%s", cl.of.name, cl.of.flag, cl.host())
	}
	if json.Unmarshal(body, &problem) != nil || problem.Code == "" {
		return fmt.Errorf("%s responded %s", cl.of.name, resp.Status)
	}
	advice := ""
	if resp.StatusCode == http.StatusUnauthorized && cl.key == "" {
		advice = "; --control-key gives it"
	}
	return fmt.Errorf("%s%s (%s, %d)", orDefault(problem.Detail, problem.Title), advice, problem.Code, resp.StatusCode)
}

// Call makes a request with a JSON body and prints the JSON answer.
func (c *Connection) Call(p *process.Process, method, path string, body any) error {
	r := Request{Method: method, Path: path}
	if body != nil {
		var err error
		if r.Body, err = marshal(body); err != nil {
			return process.Failf(process.ExitUsage, "%w", err)
		}
	}
	cl, err := c.Open(p)
	if err != nil {
		return err
	}
	resp, err := cl.Send(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, answerLimit+1))
	if err != nil {
		return err
	}
	if len(answer) > answerLimit {
		return fmt.Errorf("the response is larger than %v", knob.Size(answerLimit))
	}
	return printJSON(p, answer)
}

// Stream makes a request and copies the answer to stdout as it arrives.
func (c *Connection) Stream(p *process.Process, r Request) error {
	cl, err := c.Open(p)
	if err != nil {
		return err
	}
	cl.http.Timeout = 0 // would cut a long listing short
	resp, err := cl.Send(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(p.Stdout, resp.Body)
	return err
}

// marshal is json.Marshal without escaping < > &.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}

// printJSON writes a JSON answer: indented for people, compact for programs.
func printJSON(p *process.Process, answer []byte) error {
	var b bytes.Buffer
	var err error
	if p.Terminal {
		err = json.Indent(&b, bytes.TrimSpace(answer), "", "  ")
	} else {
		err = json.Compact(&b, answer)
	}
	if err != nil {
		return fmt.Errorf("the response is not JSON: %w", err)
	}
	b.WriteByte('\n')
	_, err = b.WriteTo(p.Stdout)
	return err
}
