// Package history has callers use all nodes of a cluster of real processes at once,
// notes what they are answered and what clients receive, and holds that against the
// contract with porcupine: a client lives in one place, so its history must be one that
// a single object can have.
package history
