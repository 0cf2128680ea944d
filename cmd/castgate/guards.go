package main

import (
	"fmt"

	"castgate/server/setting"
)

// keepGuards refuses a reload that would remove a protection by accident. A file
// that is being written, or was truncated between two lines, is a valid file with
// fewer settings, and the missing lines may be those of the keys. A protection that
// the file turns off explicitly is turned off. One that can only be left out is
// removed by a restart.
func keepGuards(was, is *effective) error {
	if len(was.src.File) > 0 && len(is.src.File) == 0 && is.src.Path != "" {
		return fmt.Errorf("%s is empty now; it may be in the middle of being written", is.src.Path)
	}
	if err := keepControlGuards(was, is); err != nil {
		return err
	}
	told := is.events != nil || is.hook != nil
	if len(was.signing()) > 0 && told && len(is.signing()) == 0 && is.src.From["events-secret"] == "" {
		return setting.Errorf("events-secret", "the setting is missing now; to send events without a signature, set events-secret = []")
	}
	return keepTokenGuards(was, is)
}

func keepControlGuards(was, is *effective) error {
	if len(is.control.Keys)+len(is.control.ScopedKeys) > 0 {
		return nil
	}
	const open = "and opening the control API to everyone requires a restart"
	switch {
	case len(was.control.Keys) > 0:
		return setting.Errorf("control-key", "this would remove the last key, "+open)
	case len(was.control.ScopedKeys) > 0:
		return setting.Errorf("control-keys-file", "this would remove the last key, "+open)
	case was.control.TLS.ClientCA != "" && is.control.TLS.ClientCA == "":
		return setting.Errorf("control-client-ca", "this would remove the only protection of a control API without keys, "+open)
	}
	return nil
}

const lastKey = "this would remove the last token key and let clients connect without a token, which requires a restart"

func keepTokenGuards(was, is *effective) error {
	before, after := &was.server.JWT, &is.server.JWT
	unsaid := func(name string) bool { return is.src.From[name] == "" }
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
		return setting.Errorf("jwt-required", "the setting is missing now; to admit clients without a token, set jwt-required = false")
	}
	if after.Cookie != "" && len(was.server.AllowedOrigins) > 0 && len(is.server.AllowedOrigins) == 0 && unsaid("allowed-origins") {
		return setting.Errorf("allowed-origins", "the setting is missing now, and with jwt-cookie any page could connect as its visitor; to allow that, set allowed-origins = []")
	}
	return nil
}
