// Package gatewayworker encodes and decodes GatewayWorker's protocols as PHP's
// Gateway, Register, BusinessWorker and GatewayClient use them on the wire. It
// has no sockets, goroutines or clocks and imports the standard library only.
// Sections named in comments are those of docs/gatewayworker-protocol.md.
//
// # Nouns
//
//   - Line: a message to or from a Register (section 1). [LineReader],
//     [ParseRegisterLine], [AppendBroadcast] and its neighbours.
//   - Frame: 28 bytes of header, ext and body (section 2). [AppendFrame],
//     [ParseFrame], [FrameReader].
//   - Reply: a length and a serialized value. [BeginReply], [EndReply].
//   - Value: PHP serialization (section 5). Written with [AppendNull],
//     [AppendInt], [AppendString], [AppendArray]; read as far as arrays go by
//     [MergeSession], and as text by [Message].
//   - Key: what PHP turns a name into that it uses in an array (5.2). A key is
//     held as text; [AppendKey] and [AppendKeyValue] write it as PHP would.
//   - Targets: what the JSON in ext names (3.1 to 3.4). [Decoder].
//   - Connect: the body of ON_WEBSOCKET_CONNECT (6.4). [AppendWebSocketConnect].
//
// # How long slices live
//
// Nothing that is passed in is kept. What a FrameReader, LineReader or Decoder
// returns is valid until its next call or until the input it points into is
// reused, whichever comes first. Append functions copy, and return dst as
// append does. A value may be used by one goroutine at a time.
package gatewayworker
