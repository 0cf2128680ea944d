// Package simnet runs processes and a network between them in virtual time, from a
// seed: what happens, and in which order, is the same each time. Messages are delayed,
// lost, repeated and overtaken by those of other senders; links are cut; processes
// pause, and everything that comes meanwhile waits for them.
//
// Everything runs on the goroutine that calls Run.
package simnet
