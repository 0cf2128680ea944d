// Package gatewayworker knows the bytes of GatewayWorker's protocols, as PHP's
// Gateway, Register, BusinessWorker and GatewayClient put them on the wire. It
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
//   - Key: what PHP makes of a name that it uses in an array (5.2). A key is
//     held as its text; [AppendKey] and [AppendKeyValue] write it as PHP has it.
//   - Targets: what the JSON in ext names (3.1 to 3.4). [Decoder].
//   - Connect: the body of ON_WEBSOCKET_CONNECT (6.4). [AppendWebSocketConnect].
//
// # How long slices live
//
// Nothing that is passed in is kept. What a FrameReader, LineReader or Decoder
// returns lives until its next call, or as long as the input it points into,
// whichever ends first. Append functions copy and return dst as append does.
// Values of one type may be used by one goroutine at a time.
package gatewayworker
