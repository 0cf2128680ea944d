package codec

import "testing"

// What a server may answer to the offer, and what fails the connection.
func TestDeflateAgreed(t *testing.T) {
	const name = "Sec-WebSocket-Extensions: "
	for answer, want := range map[string]struct {
		agreed bool
		err    error
	}{
		"": {false, nil},
		name + "permessage-deflate; server_no_context_takeover\r\n":                                               {true, nil},
		name + "permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n":                   {true, nil},
		"SEC-websocket-extensions:permessage-deflate;client_no_context_takeover ; server_no_context_takeover\r\n": {true, nil},
		name + "permessage-deflate; server_no_context_takeover; server_max_window_bits=10\r\n":                    {true, nil},
		name + "permessage-deflate; server_no_context_takeover; server_max_window_bits=\"9\"\r\n":                 {true, nil},
		name + "\r\n":                   {false, ErrExtension},
		name + "permessage-deflate\r\n": {false, ErrExtension},
		name + "permessage-deflate; server_no_context_takeover; client_max_window_bits=10\r\n":                                    {false, ErrExtension},
		name + "permessage-deflate; server_no_context_takeover; server_max_window_bits\r\n":                                       {false, ErrExtension},
		name + "permessage-deflate; server_no_context_takeover; x\r\n":                                                            {false, ErrExtension},
		name + "permessage-deflate; server_no_context_takeover=1\r\n":                                                             {false, ErrExtension},
		name + "permessage-deflate; server_no_context_takeover; server_no_context_takeover\r\n":                                   {false, ErrExtension},
		name + "permessage-deflate; server_no_context_takeover, permessage-deflate\r\n":                                           {false, ErrExtension},
		name + "permessage-deflate; server_no_context_takeover\r\n" + name + "permessage-deflate; server_no_context_takeover\r\n": {false, ErrExtension},
		name + "permessage-bzip2\r\n": {false, ErrExtension},
	} {
		head := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n" + answer + "X: y\r\n\r\n"
		if agreed, err := DeflateAgreed([]byte(head)); agreed != want.agreed || err != want.err {
			t.Errorf("%q: %v, %v", answer, agreed, err)
		}
	}
}

// The upgrader of this package accepts the offer, in the way it is understood.
func TestDeflateOfferAccepted(t *testing.T) {
	request := AppendRequest(nil, "a.example", "/", rfcKey, DeflateOffer)
	for _, compress := range []bool{false, true} {
		answer, result := (&Upgrader{Compress: compress}).Upgrade(nil, request)
		if agreed, err := DeflateAgreed(answer); agreed != compress || err != nil {
			t.Errorf("compress %v: %v, %v, %v\n%s", compress, agreed, err, result, answer)
		}
	}
}
