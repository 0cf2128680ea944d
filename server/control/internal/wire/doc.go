// Package wire holds the bytes of the control API: a strict JSON scanner, the
// commands that request bodies carry, and functions that append JSON answers.
// It knows nothing of HTTP and starts no goroutine.
//
// # Strictness
//
// Input is RFC 8259 JSON in UTF-8 and, in addition, unambiguous: names in an
// object are unique, escapes do not form lone surrogates, nothing follows the
// value, and nesting is limited to MaxDepth. Names of fields match exactly;
// unknown fields, missing required fields, null and any other wrong type are
// errors that name the field.
//
// # Lifetime of strings
//
// A [Command] is decoded in place: escapes are decoded in the body itself, and
// the strings and slices of the command point into it. They are valid until the
// body's buffer is reused or the command is decoded or reset again. A body can
// be decoded only once.
package wire
