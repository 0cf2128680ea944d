// Package codec knows the bytes of RFC 6455, the WebSocket protocol: the
// opening handshake, frame headers, masks, close codes, and the assembly of
// messages out of frames. It has no sockets, goroutines, clocks or logs, and
// imports nothing of this module.
//
// # Nouns
//
//   - Handshake: a request head and its answer. [HandshakeEnd] finds where the
//     head ends, [Upgrader] checks and answers it, extensions included; [AppendRequest] and
//     [CheckResponse] are the client's side.
//   - Header: what stands before a frame's payload, a [ws.Header].
//     [ParseHeader], [AppendHeader].
//   - Frame: header and payload. [AppendFrame], [AppendMaskedFrame], [AppendClose].
//   - Message: the payload of a text or binary frame and its continuations. It
//     is never put together here; the receiver gets it in pieces.
//   - Event: a piece of a message, a ping, a pong, or a close frame.
//   - Parser: the receive side of one connection.
//   - CloseError: why a peer's bytes can't be taken, and the close code for it.
//
// # Data flow
//
// In, on a server: bytes as they come -> HandshakeEnd until it returns an
// index -> Upgrader.Upgrade with exactly that head -> what came after it, and
// all later bytes, to Parser.Next -> events. Out: AppendFrame once, the same
// bytes for every receiver. A client does the same with CheckResponse, a Parser
// whose Client is set, and the masked forms.
//
// # How long slices live
//
// Data of a message is a part of the input, unmasked in place: it lives until
// the caller reuses the input, and input that was taken must not be handed in
// again. Payload of pings and pongs and the reason of a close frame are in the
// Parser: they live until the next call of Next. Nothing that is passed in is
// kept. Append functions copy; they return dst as append does.
//
// # Costs
//
// A Parser is some 170 bytes without pointers, whatever is under way. A message
// is limited in its sum, checked before its payload; there is no limit on the
// number of its fragments, as they take no memory. Parsing, masking and
// appending to a large enough slice allocate nothing; allocation_test.go
// holds that.
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
// permessage-deflate (RFC 7692) is agreed on without context takeover only, both
// ways: a message compressed once is the same for all receivers, and an idle
// client keeps no window. [Deflater] makes such frames; a Parser with Deflate
// set lets them in, and [Inflation] turns their payload into plain pieces. The
// library is klauspost/compress: beside compress/flate it deflates messages of
// 300 bytes to 1 MiB at level 1 in 50 to 79 % of the time and inflates them in
// 55 to 94 %, without allocating (BenchmarkDeflate, BenchmarkInflate), and it can
// keep to a smaller window, so that server_max_window_bits is honoured.
package codec
