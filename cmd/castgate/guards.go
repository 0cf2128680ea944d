package main

import (
	"fmt"

	"castgate/server/setting"
)

// keepGuards refuses a reload that would open a door without anybody having
// said so. A file that is just being written, or was cut between two lines, is
// a good file with fewer settings, and the lines that it lacks may be those of
// the keys. What is said is done; what can be no more than left out takes a
// restart.
func keepGuards(was, is *effective) error {
	if len(was.src.file) > 0 && len(is.src.file) == 0 && is.src.path != "" {
		return fmt.Errorf("%s has no setting any more; a file that is being written looks like that", is.src.path)
	}
	if err := keepControlGuards(was, is); err != nil {
		return err
	}
	return keepTokenGuards(was, is)
}

func keepControlGuards(was, is *effective) error {
	if len(is.control.Keys)+len(is.control.ScopedKeys) > 0 {
		return nil
	}
	const open = "and the control API would do what anyone asks who reaches it; that takes a restart"
	switch {
	case len(was.control.Keys) > 0:
		return setting.Errorf("control-key", "the last key would be gone, "+open)
	case len(was.control.ScopedKeys) > 0:
		return setting.Errorf("control-keys-file", "the last key would be gone, "+open)
	case was.control.TLS.ClientCA != "" && is.control.TLS.ClientCA == "":
		return setting.Errorf("control-client-ca", "it would be gone, there is no key, "+open)
	}
	return nil
}

const lastKey = "the last key of tokens would be gone, and clients would connect without one; that takes a restart"

func keepTokenGuards(was, is *effective) error {
	before, after := &was.server.JWT, &is.server.JWT
	unsaid := func(name string) bool { return is.src.from[name] == "" }
	if len(after.Keys) == 0 && after.JWKS == "" {
		if before.JWKS != "" {
			return setting.Errorf("jwt-jwks", lastKey)
		}
		for _, name := range []string{"jwt-secret", "jwt-jwks", "jwt-public-key"} {
			if len(was.tokenKeys[name]) > 0 {
				return setting.Errorf(name, lastKey)
			}
		}
	}
	if before.Required && !after.Required && unsaid("jwt-required") {
		return setting.Errorf("jwt-required", "it would be gone; to let clients without a token in, say jwt-required = false")
	}
	if after.Cookie != "" && len(was.server.AllowedOrigins) > 0 && len(is.server.AllowedOrigins) == 0 && unsaid("allowed-origins") {
		return setting.Errorf("allowed-origins", "they would be gone, and with jwt-cookie any page could connect as its visitor; to have that, say allowed-origins = []")
	}
	return nil
}
