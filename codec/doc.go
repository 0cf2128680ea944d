// Package codec encodes and decodes RFC 6455, the WebSocket protocol: the
// opening handshake, frame headers, masks, close codes, and messages made of
// frames. It has no sockets, goroutines, clocks or logs, and imports nothing of
// this module.
//
// # Nouns
//
//   - Handshake: a request head and its answer. [HandshakeEnd] finds the end of
//     the head, [Upgrader] checks and answers it, including extensions.
//     [AppendRequest] and [CheckResponse] are the client's side.
//   - Header: what stands before a frame's payload, a [ws.Header].
//     [ParseHeader], [AppendHeader].
//   - Frame: header and payload. [AppendFrame], [AppendMaskedFrame], [AppendClose].
//   - Message: the payload of a text or binary frame and its continuations. It
//     is never assembled here; the receiver gets it in pieces.
//   - Event: a piece of a message, a ping, a pong, or a close frame.
//   - Parser: the receive side of one connection.
//   - CloseError: why a peer's bytes are rejected, and the close code to send.
//
// # Data flow
//
// In, on a server: bytes as they arrive -> HandshakeEnd until it returns an
// index -> Upgrader.Upgrade with exactly that head -> the bytes after it, and
// all later ones, to Parser.Next -> events. Out: AppendFrame once, the same
// bytes for every receiver. A client does the same with CheckResponse, a Parser
// whose Client is set, and the masked forms.
//
// # Lifetime of slices
//
// Data of a message is part of the input, unmasked in place. It is valid until
// the caller reuses the input, and input that was consumed must not be passed
// in again. The payload of pings and pongs and the reason of a close frame are
// in the Parser, valid until the next call of Next. Nothing that is passed in
// is kept. Append functions copy; they return dst as append does.
//
// # Costs
//
// A Parser is about 170 bytes without pointers, whatever it is reading. The
// total size of a message is limited, and checked before its payload arrives.
// The number of fragments is not limited, since they take no memory. Parsing,
// masking and appending to a large enough slice allocate nothing;
// allocation_test.go checks that.
//
// # What is gobwas/ws and what is ours
//
// The vocabulary is gobwas/ws's: opcodes, close codes, [ws.Header], the limits
// and sizes of headers, the rules for opcodes and close codes, the body of a
// close frame, compiled frames, the names and meaning of permessage-deflate's
// parameters. Masks are its [ws.Cipher], in assembly.
//
// Ours is what it does not do as a push gateway needs it. gobwas_test.go shows
// each difference, so that this list stays true:
//
//   - Its Upgrader takes the first of two Host, key or version lines, a bare LF
//     as the end of a line, folded lines, any 24 bytes as a key, and a request
//     with a body, whose bytes would then be read as frames. Behind proxies, a
//     head that two parties read differently is an attack. Here every line is
//     checked to the letter, in one pass over the slice.
//   - ReadHeader accepts lengths that are not in their shortest form, and
//     consumes the bytes of an incomplete header; WriteHeader allocates.
//   - CheckHeader knows no rule for reserved bits once an extension is agreed on.
//     [Parser] has the rest of its rules, and applies them to the first byte
//     that breaks one.
//   - CheckCloseFrameData refuses 1012 to 1014 and accepts codes from 5000.
//   - NewCloseFrameBody cuts a reason in the middle of a character.
//   - wsflate inflates without a limit, and reads parameters with leading zeros
//     and repeated ones. It allocates for each offer.
//
// # Compression
//
// permessage-deflate (RFC 7692) is negotiated only without context takeover, in
// both directions: a message is compressed once for all receivers, and an idle
// client keeps no window. [Deflater] makes such frames. A Parser with Deflate
// set accepts them, and [Inflation] decompresses their payload in pieces. The
// library is klauspost/compress. For messages of 300 bytes to 1 MiB at level 1
// it takes 50 to 79 % of the time of compress/flate to deflate and 55 to 94 %
// to inflate, without allocating (BenchmarkDeflate, BenchmarkInflate). It also
// supports smaller windows, which server_max_window_bits needs.
package codec
