// Package decoderbench compares JSON decoders on bodies of the control API.
// It is a module of its own, so that decoders that were not chosen are nothing
// the program depends on. README.md holds a result.
//
//	go test -bench . -benchmem
package decoderbench
