// Package pageclient holds the client for pages, castgate.js, for Go programs that
// serve it, such as the example.
package pageclient

import _ "embed"

// Script is castgate.js, an ES module.
//
//go:embed castgate.js
var Script []byte
