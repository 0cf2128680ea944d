// Package profile records with perf where a process's CPU time goes, in Go code and in
// the kernel, and reads the call stacks that perf has seen.
package profile
