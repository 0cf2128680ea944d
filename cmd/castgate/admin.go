package main

import (
	"context"
	"errors"
	"net"
	"strings"

	"castgate/server"
	"castgate/server/admin"
	"castgate/server/control"
	"castgate/server/events"
)

// adminSettings are the knobs of the admin page.
type adminSettings struct {
	Admin        string `default:"" unit:"host:port" help:"Listener of the admin page, such as 127.0.0.1:7274; its users log in with a key of the control API. Default: none, and the page is off."`
	AdminTLSCert string `default:"" unit:"path" help:"Certificate of the admin page in PEM; without one only a loopback address is allowed. Reloaded when it changes."`
	AdminTLSKey  string `default:"" unit:"path" help:"Private key of admin-tls-cert."`
}

// config checks the settings. keyed tells whether the control API has keys. An error is
// a *setting.Error.
func (s *adminSettings) config(keyed bool) (admin.Config, error) {
	c := admin.Config{Listen: s.Admin, TLSCert: s.AdminTLSCert, TLSKey: s.AdminTLSKey, Keyed: keyed}
	return c, c.Validate()
}

// newAdmin makes the admin page of a gateway, or of its cluster, and binds it; nil if it
// is off.
func newAdmin(e *effective, gw *server.Server, node *clustered, queue *events.Events, ctl *control.Server) (*admin.Server, error) {
	c := e.admin
	if !c.On() {
		return nil, nil
	}
	c.Access, c.Gateway, c.Historian, c.Version, c.Logger = ctl.Access, gw, gw, version, e.logger
	if node != nil {
		c.Gateway, c.Historian = node.node, node.node
	}
	if queue != nil {
		c.Backlog = queue.Backlog
	}
	c.Clients = strings.Split(listeners(e.server.Listen, gw.Addrs()), ",")
	c.Control, c.Document = controlOf(e, ctl.Addr()), ctl.Document()
	page, err := admin.New(c)
	if err != nil {
		return nil, err
	}
	e.adminMetrics.Of(page)
	return page, page.Listen()
}

// controlOf is the control API as its callers write it.
func controlOf(e *effective, at net.Addr) string {
	switch {
	case at.Network() == "unix":
		return "unix:" + at.String()
	case e.control.TLS.Cert != "":
		return "https://" + at.String()
	}
	return "http://" + at.String()
}

// ports are the control API and the admin page, which end together.
type ports struct {
	*control.Server
	admin *admin.Server
}

// withAdmin adds the admin page to the control API, if it is on.
func withAdmin(e *effective, gw *server.Server, node *clustered, queue *events.Events, ctl *control.Server) (controlPort, error) {
	page, err := newAdmin(e, gw, node, queue, ctl)
	if page == nil || err != nil {
		return ctl, err
	}
	if page.Built() {
		e.logger.Info("the admin page is open", "admin", page.URL())
	} else {
		e.logger.Warn("the admin page is not in this program; make build builds it with npm", "admin", page.URL())
	}
	return ports{ctl, page}, nil
}

// Serve returns when one of both has ended: nil after Shutdown.
func (p ports) Serve() error {
	ended := make(chan error, 2)
	go func() { ended <- p.Server.Serve() }()
	go func() { ended <- p.admin.Serve() }()
	if err := <-ended; err != nil {
		return err
	}
	return <-ended
}

// Shutdown ends both.
func (p ports) Shutdown(ctx context.Context) error {
	return errors.Join(p.admin.Shutdown(ctx), p.Server.Shutdown(ctx))
}
