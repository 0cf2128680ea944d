// Package origin handles the origins of browser pages: how people write them in
// settings, how browsers send them, and which of them may connect. It has no global
// state. Everything in it may be used from any goroutine.
package origin
