// Package page holds the page of all examples: the Go backend embeds it, and the
// PHP backends have symbolic links to its files.
package page

import "embed"

// Files are page.html, the body of the page, page.css and page.js.
//
//go:embed page.html page.css page.js
var Files embed.FS
