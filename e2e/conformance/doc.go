// Package conformance holds castgate to the rules of RFC 6455 and RFC 7692, one
// case a rule and input, from a raw socket against the real binary, as a server
// that echoes. make conformance prints each case with its number, its rule and
// its outcome:
//
//   - OK: the answer is what the rule asks for.
//   - NON-STRICT: the RFC allows it, though not as it should be: a connection
//     that has to be failed ends without the close frame that tells why.
//   - FAILED: anything else.
//
// Cases are data, built in the cases_* files; wire_test.go reads and writes
// frames with code of its own, and inflates with compress/flate.
package conformance
