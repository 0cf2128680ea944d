// Package manual describes the command line in other forms than --help: as a man page
// (page.go) and as completions for shells (bash.go, zsh.go, fish.go). Everything is read
// from the model of the parser, so that it cannot be out of date.
package manual
