package client

import (
	"net/http"
	"net/http/cookiejar"
	"strings"

	"castgate/cmd/castgate/internal/knob"
	"castgate/cmd/castgate/internal/process"
)

// AdminConnection are the flags of commands that ask the admin page's port.
type AdminConnection struct {
	knob.ConfigFile
	Admin      string   `default:"127.0.0.1:7274" unit:"host:port" help:"Admin page of the gateway, also as an http:// or https:// URL."`
	ControlKey []string `unit:"keys" help:"Control API key, or @/path of a file of keys, whose first key is used."`
	CAFile     string   `name:"ca-file" placeholder:"FILE" help:"CA certificates in PEM to trust for an https:// admin page; default: the system's."`
}

// Open makes a client of the admin page's port, and logs in there if it has no key.
func (c *AdminConnection) Open(p *process.Process) (*Client, error) {
	at := c.Admin
	if at == "" { // the page is off in the configuration
		at = "127.0.0.1:7274"
	}
	cl, err := (&Connection{Control: at, ControlKey: c.ControlKey, CAFile: c.CAFile}).open(p, adminPort)
	if err == nil && cl.key == "" {
		err = cl.enter()
	}
	return cl, err
}

// enter logs in at a gateway without keys, as its page does.
func (cl *Client) enter() error {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return err
	}
	cl.http.Jar = jar
	req, err := http.NewRequest(http.MethodPost, cl.base+"/api/login", strings.NewReader("{}"))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Origin", cl.base)
	resp, err := cl.http.Do(req)
	if err != nil {
		return cl.Explained(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return cl.problemOf(resp)
	}
	return nil
}
