// Package conformance tests castgate against the rules of RFC 6455 and RFC 7692,
// with one case for each rule and input, over a raw socket against the real binary
// as an echo server. make conformance prints each case with its number, its rule
// and its outcome:
//
//   - OK: the answer is what the rule asks for.
//   - NON-STRICT: allowed by the RFC but not recommended: a connection that must be
//     failed ends without a close frame.
//   - FAILED: anything else.
//
// Cases are data, built in the cases_* files. wire_test.go reads and writes frames
// with its own code, and inflates with compress/flate.
package conformance
