package bench

import (
	"path/filepath"

	"castgate/bench/gateway"
	"castgate/loadtest"
)

// Names of servers that are started in another way. They cannot be requested by
// name: the scenario cost plays them beside the original server.
const (
	CastgateDeflate    = "castgate deflate"
	CastgateWSS        = "castgate wss"
	CastgateWSSDeflate = "castgate wss deflate"
	GorillaWSS         = "gorilla wss"
)

// variants are candidates that use another one's program.
var variants = []candidate{
	{name: CastgateDeflate, of: Castgate, prepare: command("serve", "--compress"), path: "/", configure: speakDeflate},
	{name: CastgateWSS, of: Castgate, prepare: secured("wss://", "serve"), path: "/", secure: true},
	{name: CastgateWSSDeflate, of: Castgate, prepare: secured("wss://", "serve", "--compress"), path: "/", secure: true, configure: speakDeflate},
	{name: GorillaWSS, of: Gorilla, prepare: secured(""), path: "/", secure: true},
}

// secured prepares a program that uses TLS with clients; its address begins
// with the scheme.
func secured(scheme string, first ...string) func(dir, clients, control string) ([]string, error) {
	return func(dir, clients, control string) ([]string, error) {
		if err := gateway.WriteCertificate(dir); err != nil {
			return nil, err
		}
		args, err := command(first...)(dir, scheme+clients, control)
		return append(args, "--tls-cert", filepath.Join(dir, gateway.CertFile), "--tls-key", filepath.Join(dir, gateway.KeyFile)), err
	}
}

// speakDeflate makes clients offer permessage-deflate.
func speakDeflate(c *loadtest.Config) { c.Compress = true }
