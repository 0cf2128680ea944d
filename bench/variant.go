package bench

import (
	"path/filepath"

	"castgate/bench/gateway"
	"castgate/loadtest"
)

// Names of servers that are started in another way. They can't be asked for by
// name: the scenario cost plays them beside the server they are of.
const (
	CastgateDeflate    = "castgate deflate"
	CastgateWSS        = "castgate wss"
	CastgateWSSDeflate = "castgate wss deflate"
	GorillaWSS         = "gorilla wss"
)

// variants are candidates that another one's program is started as.
var variants = []candidate{
	{name: CastgateDeflate, of: Castgate, prepare: command("serve", "--compress"), path: "/", configure: speakDeflate},
	{name: CastgateWSS, of: Castgate, prepare: secured("wss://", "serve"), path: "/", secure: true},
	{name: CastgateWSSDeflate, of: Castgate, prepare: secured("wss://", "serve", "--compress"), path: "/", secure: true, configure: speakDeflate},
	{name: GorillaWSS, of: Gorilla, prepare: secured(""), path: "/", secure: true},
}

// secured prepares a program that speaks TLS with clients, whose address has
// the scheme in front.
func secured(scheme string, first ...string) func(dir, clients, control string) ([]string, error) {
	return func(dir, clients, control string) ([]string, error) {
		if err := gateway.WriteCertificate(dir); err != nil {
			return nil, err
		}
		args, err := command(first...)(dir, scheme+clients, control)
		return append(args, "--tls-cert", filepath.Join(dir, gateway.CertFile), "--tls-key", filepath.Join(dir, gateway.KeyFile)), err
	}
}

// speakDeflate has clients offer permessage-deflate.
func speakDeflate(c *loadtest.Config) { c.Compress = true }
