// Package origin knows the origins of browsers' pages: how people write them in
// settings, how browsers send them, and which of them may connect. It has no
// state of its own; all of it may be used from any goroutine.
package origin
