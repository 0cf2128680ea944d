package admin

import (
	"log/slog"
	"net"
	"net/netip"

	"castgate/server/control/access"
	"castgate/server/gateway"
	"castgate/server/hostport"
	"castgate/server/setting"
)

// Config configures a Server.
type Config struct {
	// Listen is host:port; "" turns the port off. Port 0 picks a free one.
	Listen string
	// TLSCert and TLSKey are PEM files. Without them Listen is a loopback address.
	TLSCert, TLSKey string
	// Keyed tells whether the control API has keys.
	Keyed bool
	// Access returns who may use the control API now. Any goroutine.
	Access func() *access.Checker
	// Gateway answers the verbs. If it is a gateway.Cluster too, its nodes are shown.
	Gateway gateway.Gateway
	// Historian tells what became of clients of this node.
	Historian gateway.Historian
	// Backlog is the queue of events; nil if there is none.
	Backlog func() gateway.Backlog
	// Clients are the listeners for clients, as scheme://host:port.
	Clients []string
	// Control is the address of the control API, as its callers write it.
	Control string
	// Document is the OpenAPI document of the control API.
	Document []byte
	// Audit receives a record for each login, refusal and action; nil discards them.
	Audit slog.Handler
	// Version is that of the build.
	Version string
	// Logger receives structured logs; nil discards them.
	Logger *slog.Logger
}

// On tells whether there is an admin port.
func (c *Config) On() bool { return c.Listen != "" }

// Validate reports the first wrong setting by its name on the command line.
func (c *Config) Validate() error {
	if (c.TLSCert == "") != (c.TLSKey == "") {
		return setting.Errorf("admin-tls-cert", "must be set together with admin-tls-key")
	}
	if !c.On() {
		if c.TLSCert != "" {
			return setting.Errorf("admin-tls-cert", "has no effect without admin")
		}
		return nil
	}
	host, port, err := net.SplitHostPort(c.Listen)
	if err != nil || port == "" {
		return setting.Errorf("admin", "%q is not host:port", c.Listen)
	}
	if err := hostport.Check(c.Listen); err != nil {
		return setting.Errorf("admin", "%q %w", c.Listen, err)
	}
	ip, err := netip.ParseAddr(host)
	if host == "localhost" || err == nil && ip.Unmap().IsLoopback() {
		return nil // Listen checks what localhost resolves to
	}
	return c.exposed()
}

// Check reads the certificate, as New will. An error is a *setting.Error.
func (c *Config) Check() error {
	if !c.On() || c.TLSCert == "" {
		return nil
	}
	_, err := loadTLS(c.TLSCert, c.TLSKey, slog.New(slog.DiscardHandler))
	return err
}

// exposed reports what is missing on an address that other hosts can reach.
func (c *Config) exposed() error {
	switch {
	case c.TLSCert == "":
		return setting.Errorf("admin", "%s can be reached from other hosts, and keys would cross the network in the clear; set admin-tls-cert and admin-tls-key, or listen on a loopback address", c.Listen)
	case !c.Keyed:
		return setting.Errorf("admin", "%s can be reached from other hosts; set control-key or control-keys-file, or listen on a loopback address", c.Listen)
	}
	return nil
}
