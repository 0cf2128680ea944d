package main

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"

	"castgate/cmd/castgate/internal/knob"
	"castgate/server/cluster"
	"castgate/server/setting"
)

// clusterSettings are the knobs of a cluster.
type clusterSettings struct {
	ClusterSecret          string        `default:"" unit:"text or @path" help:"Secret that all nodes of a cluster share, at least 16 bytes; it turns the cluster on. @/path reads it from a file; a second line is another secret that is accepted too, so that it can be changed."`
	ClusterName            string        `default:"castgate" unit:"name" help:"Name of the cluster; nodes of other names are not heard."`
	ClusterNats            []string      `unit:"URLs" help:"NATS servers to use, separated by commas: nats://host:4222, or tls://. Instead of cluster-listen."`
	ClusterNatsNkey        string        `default:"" unit:"path" help:"File with the seed of an nkey, to log in to NATS."`
	ClusterNatsCreds       string        `default:"" unit:"path" help:"Credentials file, to log in to NATS."`
	ClusterListen          string        `default:"" unit:"host:port" help:"Listener for the other nodes: an embedded NATS server, so that none has to be run. Instead of cluster-nats."`
	ClusterPeers           []string      `unit:"host:port" help:"cluster-listen of the other nodes, separated by commas; this node's own may be among them."`
	ClusterTLSCert         string        `default:"" unit:"path" help:"Certificate of this node in PEM, for the other nodes or for NATS."`
	ClusterTLSKey          string        `default:"" unit:"path" help:"Private key of cluster-tls-cert."`
	ClusterTLSCa           string        `name:"cluster-tls-ca" default:"" unit:"path" help:"CA certificates in PEM that the other nodes, or NATS, must have a certificate of."`
	ClusterInsecureNetwork []string      `unit:"networks" help:"Private networks in which nodes may talk without TLS, separated by commas. Host names are taken to be in them. Loopback is always allowed."`
	ClusterLease           knob.Duration `default:"3s" unit:"duration" help:"How long a node that is not heard still counts as alive, 500ms to 1m; the same on all nodes."`
}

// clusterConfig is what clusterSettings come to; off without a secret.
type clusterConfig struct {
	keys     []cluster.Keys
	names    *cluster.Names // that the server tells of
	instance uint64
	lease    time.Duration
	link     cluster.LinkConfig
}

func (c *clusterConfig) on() bool { return len(c.keys) > 0 }

// cluster reads the settings of the cluster into e. An error is a *setting.Error.
func (s *settings) cluster(e *effective) error {
	if s.ClusterSecret == "" {
		return s.noCluster()
	}
	c := &e.cluster
	if err := checkClusterName(s.ClusterName); err != nil {
		return setting.Named("cluster-name", err)
	}
	secrets, err := s.clusterSecrets(e)
	if err != nil {
		return setting.Named("cluster-secret", err)
	}
	for _, secret := range secrets {
		k, err := cluster.DeriveKeys(secret, s.ClusterName)
		if err != nil {
			return setting.Named("cluster-secret", err)
		}
		c.keys = append(c.keys, k)
	}
	c.names = cluster.NewNames(c.keys[0])
	if c.lease = time.Duration(s.ClusterLease); c.lease < cluster.MinLease || c.lease > cluster.MaxLease {
		return setting.Errorf("cluster-lease", "%v is not between %v and %v", c.lease, cluster.MinLease, cluster.MaxLease)
	}
	c.link = cluster.LinkConfig{
		Name: s.ClusterName, Node: s.Node, URLs: knob.Trimmed(s.ClusterNats), NKey: s.ClusterNatsNkey, Creds: s.ClusterNatsCreds,
		Listen: s.ClusterListen, Peers: knob.Trimmed(s.ClusterPeers), Logger: e.logger,
	}
	for _, k := range c.keys {
		c.link.RouteSecrets = append(c.link.RouteSecrets, k.Route)
	}
	if err := s.clusterWays(); err != nil {
		return err
	}
	if c.link.TLS, err = s.clusterTLS(e); err != nil {
		return err
	}
	if err := s.clusterAddresses(e); err != nil {
		return err
	}
	var random [8]byte
	_, _ = rand.Read(random[:]) // never fails
	c.instance = binary.BigEndian.Uint64(random[:])>>16 | 1
	return nil
}

// noCluster finds settings that do nothing without a secret.
func (s *settings) noCluster() error {
	for name, given := range map[string]bool{
		"cluster-nats": len(s.ClusterNats) > 0, "cluster-listen": s.ClusterListen != "", "cluster-peers": len(s.ClusterPeers) > 0,
	} {
		if given {
			return setting.Errorf(name, "has no effect without cluster-secret")
		}
	}
	return nil
}

// checkClusterName allows what can be a token of a NATS subject.
func checkClusterName(name string) error {
	const most = 64
	ok := name != "" && len(name) <= most
	for _, r := range name {
		ok = ok && (r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_')
	}
	if !ok {
		return fmt.Errorf("%.80q is not 1 to %d letters, digits, - and _", name, most)
	}
	return nil
}

// clusterSecrets reads the secrets, the one to use first.
func (s *settings) clusterSecrets(e *effective) ([]string, error) {
	path, isFile := strings.CutPrefix(s.ClusterSecret, "@")
	if !isFile {
		return []string{s.ClusterSecret}, nil
	}
	text, err := e.read(path)
	if err != nil {
		return nil, err
	}
	e.files = append(e.files, path)
	if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o044 != 0 {
		e.warnings = append(e.warnings, fmt.Sprintf("the secret file %s can be read by others (mode %04o); chmod 600 it", path, info.Mode().Perm()))
	}
	var secrets []string
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" {
			secrets = append(secrets, line)
		}
	}
	switch {
	case len(secrets) == 0:
		return nil, fmt.Errorf("%s holds no secret", path)
	case len(secrets) > 2:
		return nil, fmt.Errorf("%s has %d lines with secrets; at most two are allowed, the one to use first", path, len(secrets))
	}
	return secrets, nil
}

// clusterWays checks that there is exactly one way to the other nodes.
func (s *settings) clusterWays() error {
	nats, listen := len(s.ClusterNats) > 0, s.ClusterListen != ""
	switch {
	case nats && listen:
		return setting.Errorf("cluster-listen", "contradicts cluster-nats; give one of the two")
	case !nats && !listen:
		return setting.Errorf("cluster-secret", "needs cluster-nats or cluster-listen, to reach the other nodes")
	case nats && len(s.ClusterPeers) > 0:
		return setting.Errorf("cluster-peers", "has no effect with cluster-nats")
	case listen && s.ClusterNatsNkey != "":
		return setting.Errorf("cluster-nats-nkey", "has no effect without cluster-nats")
	case listen && s.ClusterNatsCreds != "":
		return setting.Errorf("cluster-nats-creds", "has no effect without cluster-nats")
	case s.ClusterNatsNkey != "" && s.ClusterNatsCreds != "":
		return setting.Errorf("cluster-nats-creds", "contradicts cluster-nats-nkey; give one of the two")
	}
	for _, file := range []struct{ name, path string }{{"cluster-nats-nkey", s.ClusterNatsNkey}, {"cluster-nats-creds", s.ClusterNatsCreds}} {
		if file.path != "" {
			if _, err := knob.ReadRegular(file.path); err != nil {
				return setting.Named(file.name, err)
			}
		}
	}
	return nil
}

// clusterTLS reads the certificates, nil for none.
func (s *settings) clusterTLS(e *effective) (*tls.Config, error) {
	if s.ClusterTLSCert == "" && s.ClusterTLSKey == "" && s.ClusterTLSCa == "" {
		return nil, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	switch {
	case s.ClusterTLSCert == "" && s.ClusterTLSKey != "":
		return nil, setting.Errorf("cluster-tls-key", "has no effect without cluster-tls-cert")
	case s.ClusterTLSCert != "" && s.ClusterTLSKey == "":
		return nil, setting.Errorf("cluster-tls-cert", "needs cluster-tls-key")
	case s.ClusterListen != "" && (s.ClusterTLSCert == "" || s.ClusterTLSCa == ""):
		return nil, setting.Errorf("cluster-tls-ca", "with cluster-listen give cluster-tls-cert, cluster-tls-key and cluster-tls-ca together: the nodes check each other")
	}
	if s.ClusterTLSCert != "" {
		pair, err := tls.LoadX509KeyPair(s.ClusterTLSCert, s.ClusterTLSKey)
		if err != nil {
			return nil, setting.Named("cluster-tls-cert", err)
		}
		c.Certificates = []tls.Certificate{pair}
		e.files = append(e.files, s.ClusterTLSCert, s.ClusterTLSKey)
	}
	if s.ClusterTLSCa != "" {
		text, err := knob.ReadRegular(s.ClusterTLSCa)
		if err != nil {
			return nil, setting.Named("cluster-tls-ca", err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(text) {
			return nil, setting.Errorf("cluster-tls-ca", "%s holds no certificate in PEM", s.ClusterTLSCa)
		}
		c.RootCAs, c.ClientCAs, c.ClientAuth = pool, pool, tls.RequireAndVerifyClientCert
		e.files = append(e.files, s.ClusterTLSCa)
	}
	return c, nil
}

// clusterAddresses checks the addresses: those that are not loopback need TLS, or a
// network that is said to be private.
func (s *settings) clusterAddresses(e *effective) error {
	private, err := s.networks(e, "cluster-insecure-network", s.ClusterInsecureNetwork)
	if err != nil {
		return err
	}
	check := func(name, address string, secure bool) error {
		host, port, err := net.SplitHostPort(address)
		if err != nil || port == "" {
			return setting.Errorf(name, "%.80q is not host:port", address)
		}
		if secure || isPrivate(host, private) {
			return nil
		}
		return setting.Errorf(name, "%s is not on this host, and others could read and send messages there; use TLS, or name its private network with --cluster-insecure-network", address)
	}
	secure := e.cluster.link.TLS != nil
	if s.ClusterListen != "" {
		if err := check("cluster-listen", s.ClusterListen, secure); err != nil {
			return err
		}
	}
	for _, peer := range knob.Trimmed(s.ClusterPeers) {
		if err := check("cluster-peers", peer, secure); err != nil {
			return err
		}
	}
	for _, text := range knob.Trimmed(s.ClusterNats) {
		u, err := url.Parse(text)
		switch {
		case err != nil || u.Host == "" || u.Scheme != "nats" && u.Scheme != "tls":
			return setting.Errorf("cluster-nats", "%.80q is not a URL such as nats://host:4222 or tls://host:4222", redacted(text))
		case u.User != nil:
			return setting.Errorf("cluster-nats", "the URL holds a password; give a file with cluster-nats-nkey or cluster-nats-creds")
		}
		address := u.Host
		if u.Port() == "" {
			address = net.JoinHostPort(u.Hostname(), "4222")
		}
		if err := check("cluster-nats", address, secure || u.Scheme == "tls"); err != nil {
			return err
		}
	}
	return nil
}

// redacted leaves out what may be a password.
func redacted(text string) string {
	if i := strings.LastIndexByte(text, '@'); i >= 0 {
		return "..." + text[i:]
	}
	return text
}

// isPrivate tells whether a host is this one, or in one of the networks.
func isPrivate(host string, networks []netip.Prefix) bool {
	addr, err := netip.ParseAddr(host)
	switch {
	case host == "localhost":
		return true
	case err != nil || addr.IsUnspecified(): // a name, or all addresses
		return len(networks) > 0
	case addr.IsLoopback():
		return true
	}
	for _, n := range networks {
		if n.Contains(addr.Unmap()) {
			return true
		}
	}
	return false
}
