// Package wire holds the bytes of the control API: a strict JSON scanner, the
// commands that request bodies carry, and the appending of JSON answers. It
// knows no HTTP and starts no goroutine.
//
// # Strictness
//
// Input is RFC 8259 JSON in UTF-8 and, beyond that, unambiguous: names in an
// object are unique, escapes don't form lone surrogates, nothing follows the
// value, and nesting is limited to MaxDepth. Names of fields match exactly;
// unknown ones, missing required ones, null and any other wrong type are
// refused by name.
//
// # How long a string lives
//
// A [Command] is decoded in place: escapes are undone in the body itself, and
// the strings and slices of the command point into it. They are good until the
// body's buffer is used for something else or the command is decoded or reset
// again. A body can be decoded once.
package wire
