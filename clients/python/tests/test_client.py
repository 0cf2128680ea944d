"""What vectors.json cannot show: python3 -m unittest discover -s clients/python/tests"""

import asyncio
import contextlib
import inspect
import os
import pathlib
import pickle
import socket
import sys
import threading
import unittest
from unittest import mock

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))
import castgate  # noqa: E402
from castgate.http1 import Address, Answer, Lines, decode  # noqa: E402

CHUNKED = (
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-A: b\r\n\r\n"
    b"5;ext=1\r\nhello\r\nA\r\n, all of u\r\n1\r\ns\r\n0\r\nTrailer: x\r\n\r\n"
)


class Parsing(unittest.TestCase):
    def test_split_input_equals_whole(self):
        for cut in range(1, len(CHUNKED)):
            answer = Answer()
            answer.feed(CHUNKED[:cut])
            body = answer.take()
            answer.feed(CHUNKED[cut:])
            self.assertEqual((answer.status, answer.complete, answer.keep), (200, True, True))
            self.assertEqual(body + answer.take(), b"hello, all of us", cut)
        answer = Answer()
        for byte in CHUNKED:
            answer.feed(bytes([byte]))
        self.assertEqual(answer.take(), b"hello, all of us")

    def test_lines_in_pieces(self):
        text = b'{"a": 1}\n{"b": "\xc3\xa9"}\n{"c": 3}'
        for size in range(1, len(text) + 1):
            lines, rows = Lines(), []
            for at in range(0, len(text), size):
                rows += lines.feed(text[at : at + size])
            self.assertEqual(rows + list(lines.finish()), [{"a": 1}, {"b": "é"}, {"c": 3}], size)

    def test_ends(self):
        with self.assertRaises(EOFError):
            Answer().feed(b"")
        for begun in (CHUNKED[:-3], b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n1234", b"HTTP/1.1 200 OK\r\n"):
            answer = Answer()
            answer.feed(begun)
            with self.assertRaises(EOFError):
                answer.feed(b"")
        answer = Answer()  # HTTP/1.0: the end of the connection is the end of the body
        answer.feed(b"HTTP/1.0 200 OK\r\n\r\nhello")
        self.assertFalse(answer.complete)
        answer.feed(b"")
        self.assertEqual((answer.complete, answer.keep, answer.take()), (True, False, b"hello"))

    def test_an_answer_without_end(self):
        answer = Answer()
        answer.feed(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8000000\r\n")
        lines = Lines()
        for feed in (answer.feed, lambda data: list(lines.feed(data))):
            with self.assertRaises(castgate.CastgateError) as raised:
                for _ in range(65):
                    feed(bytes(1 << 20))
            self.assertEqual((raised.exception.code, raised.exception.status), ("malformed", 200))
        for nested in (b"[" * 200_000, b'{"a":' * 200_000):
            with self.assertRaises(castgate.CastgateError) as raised:
                decode(nested, 200)
            self.assertEqual(raised.exception.code, "malformed")

    def test_garbage(self):
        bad = [b"SSH-2.0-OpenSSH\r\n\r\n", b"HTTP/2 200\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n", b"x" * 70000]
        lengths = [b"x", b"-5", b"+5", b"1_0", b"", b"9" * 30, b"0x5"]
        bad += [b"HTTP/1.1 200 OK\r\nContent-Length: " + length + b"\r\n\r\n" for length in lengths]
        bad += [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + length + b"\r\n" for length in lengths]
        for garbage in bad:
            with self.assertRaises(ValueError, msg=garbage[:40]):
                Answer().feed(garbage)


class Settings(unittest.TestCase):
    def test_addresses(self):
        with mock.patch.dict(os.environ, {"CASTGATE_CONTROL": "", "CASTGATE_CONTROL_KEY": "k"}):
            a = Address(None, None, None)
            self.assertEqual((a.host, a.port, a.key, a.tls), ("127.0.0.1", 7273, "k", None))
        a = Address("https://gateway.example/castgate/", "", None)
        self.assertEqual((a.host, a.port, a.base, a.host_header), ("gateway.example", 443, "/castgate", "gateway.example"))
        self.assertEqual(Address("[::1]:7", "", None).host, "::1")
        self.assertEqual(Address("unix:/run/c.sock", "", None).unix, "/run/c.sock")
        for wrong in ("ftp://x", "http://", "gateway:seven", "http://x/?y=1"):
            with self.assertRaises(castgate.CastgateError) as raised:
                castgate.Client(wrong)
            self.assertEqual(raised.exception.code, "invalid_address")

    def test_what_cannot_be_sent(self):
        gateway = castgate.Client("127.0.0.1:1")
        for call in (
            lambda: gateway.bind("c", "\ud800"),
            lambda: gateway.push_raw("\ud800", all=True),
            lambda: gateway.push_raw("", uids=["\ud800"]),
            lambda: gateway.client("\ud800"),
            lambda: next(gateway.clients(uid="\ud800")),
        ):
            with self.assertRaises(castgate.CastgateError) as raised:
                call()
            self.assertEqual(raised.exception.code, "invalid_utf8")
        for value in (float("nan"), object()):
            with self.assertRaises(castgate.CastgateError) as raised:
                gateway.push(all=True, json=value)
            self.assertEqual(raised.exception.code, "invalid_value")
        with self.assertRaises(TypeError):
            gateway.push(uids="42", text="a string is not a list of names")

    def test_errors_can_be_pickled(self):
        e = pickle.loads(pickle.dumps(castgate.CastgateError("busy", "so busy", 503, True)))
        self.assertEqual((e.code, e.detail, e.status, e.sent, str(e)), ("busy", "so busy", 503, True, "so busy [busy]"))

    def test_problem_codes(self):
        self.assertIn("unknown_client", castgate.PROBLEM_CODES)

    def test_reference_signature(self):
        # The example of the Standard Webhooks specification's reference libraries.
        headers = {
            "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "webhook-timestamp": "1614265330",
            "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        }
        for body, code in ((b'{"test": 2432232314}', "malformed"), (b'{"test": 2432232315}', "webhook_signature")):
            with self.assertRaises(castgate.CastgateError) as raised:
                castgate.verify(headers, body, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", now=1614265330)
            self.assertEqual(raised.exception.code, code)


class Methods(unittest.TestCase):
    def test_what_help_shows(self):
        for cls in (castgate.Client, castgate.AsyncClient, castgate.Batch, castgate.AsyncBatch):
            self.assertIn("client_id", inspect.signature(cls.bind).parameters)
            self.assertEqual(cls.bind.__name__, "bind")
            self.assertIn("uid's connections", cls.bind.__doc__)
        self.assertEqual(next(iter(inspect.signature(castgate.Client("127.0.0.1:1").bind).parameters)), "client_id")
        self.assertTrue(inspect.iscoroutinefunction(castgate.AsyncClient.bind))

    def test_batches_have_the_commands_of_clients(self):
        for cls, batch in ((castgate.Client, castgate.Batch), (castgate.AsyncClient, castgate.AsyncBatch)):
            for name in ("bind", "unbind", "unbind_uids", "join", "leave", "ungroup", "push", "kick", "online", "counts", "put_session", "patch_session"):
                self.assertEqual(inspect.signature(getattr(cls, name)), inspect.signature(getattr(batch, name)), name)


class Listings(unittest.TestCase):
    """A gateway that lists one row and then waits: whoever leaves early ends its connection."""

    def setUp(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.ended = threading.Event()
        threading.Thread(target=self.serve, daemon=True).start()
        self.addCleanup(self.listener.close)

    def serve(self):
        connection, _ = self.listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n18\r\n{"uid":"a","clients":1}\n\r\n')
            with contextlib.suppress(ConnectionError):
                if connection.recv(1) == b"":
                    self.ended.set()

    def test_left_early(self):
        for row in castgate.Client(self.address).uids():
            self.assertEqual(row["uid"], "a")
            break
        self.assertTrue(self.ended.wait(30))

    def test_left_early_with_asyncio(self):
        async def leave():
            rows = castgate.AsyncClient(self.address).uids()
            self.assertEqual((await rows.__anext__())["uid"], "a")
            await rows.aclose()

        asyncio.run(leave())
        self.assertTrue(self.ended.wait(30))


if __name__ == "__main__":
    unittest.main()
