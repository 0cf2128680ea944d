<?php
// What a GatewayWorker gateway in PHP cannot go below: one process and one loop of
// stream_select that accepts, reads, takes frames apart and writes. It knows
// handshakes, the init message, BIND_UID and SEND_TO_UID, and nothing else: no
// limits, no buffers, no timers, no events. Clients are in no set of the loop, so
// that they cost nothing: what they send after their handshake is never read.
//
//     php gateway.php CLIENTS INNER CONTROL    (each host:port)
//
// Whatever is asked at CONTROL, the answer is that it is ready.

[, $clientAddress, $innerAddress, $controlAddress] = $argv;

function listenOn(string $address)
{
    $context = stream_context_create(['socket' => ['backlog' => 4096]]);
    $server = stream_socket_server("tcp://$address", $errno, $error, STREAM_SERVER_BIND | STREAM_SERVER_LISTEN, $context);
    if ($server === false) {
        fwrite(STDERR, "$address: $error\n");
        exit(1);
    }
    stream_set_blocking($server, false);
    return $server;
}

$clientPort = listenOn($clientAddress);
$innerPort = listenOn($innerAddress);
$controlPort = listenOn($controlAddress);
[$host, $port] = explode(':', $innerAddress);
$prefix = bin2hex(inet_pton($host) . pack('n', (int) $port));

$clients = [];       // connection id => stream
$uids = [];          // uid => [connection id => stream]
$uidOf = [];         // connection id => uid
$inner = [];         // int of a stream => stream
$buffers = [];       // int of a stream => bytes of a frame that is not whole
$lastId = 0;

function message(string $payload): string
{
    $n = strlen($payload);
    return $n < 126 ? "\x81" . chr($n) . $payload : "\x81\x7e" . pack('n', $n) . $payload;
}

function handshake($stream): void
{
    global $clients, $lastId, $prefix;
    stream_set_blocking($stream, true);
    $head = '';
    while (!str_contains($head, "\r\n\r\n")) {
        $part = fread($stream, 8192);
        if ($part === '' || $part === false) {
            fclose($stream);
            return;
        }
        $head .= $part;
    }
    preg_match('/^Sec-WebSocket-Key:\s*(\S+)/im', $head, $m);
    $accept = base64_encode(sha1($m[1] . '258EAFA5-E914-47DA-95CA-C5AB0DC85B11', true));
    $clients[++$lastId] = $stream;
    fwrite($stream, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        . "Sec-WebSocket-Accept: $accept\r\n\r\n" . message(json_encode(['type' => 'init', 'client_id' => $prefix . bin2hex(pack('N', $lastId))])));
    stream_set_blocking($stream, false);
}

function execute(int $command, int $id, string $ext, string $body): void
{
    global $clients, $uids, $uidOf;
    if ($command === 14) { // SEND_TO_UID
        $frame = message($body);
        foreach (json_decode($ext, true) ?? [] as $uid) {
            foreach ($uids[$uid] ?? [] as $stream) {
                fwrite($stream, $frame);
            }
        }
    } elseif ($command === 12 && isset($clients[$id])) { // BIND_UID
        if (isset($uidOf[$id])) {
            unset($uids[$uidOf[$id]][$id]);
        }
        $uidOf[$id] = $ext;
        $uids[$ext][$id] = $clients[$id];
    }
}

function readInner($stream): void
{
    global $inner, $buffers;
    $key = (int) $stream;
    $bytes = fread($stream, 65535);
    if (($bytes === '' || $bytes === false) && feof($stream)) {
        unset($inner[$key], $buffers[$key]);
        fclose($stream);
        return;
    }
    $bytes = $buffers[$key] . $bytes;
    while (strlen($bytes) >= 28) {
        $h = unpack('Nlength/Ccommand/NlocalIp/nlocalPort/NclientIp/nclientPort/Nid/Cflag/ngatewayPort/Next', $bytes);
        if (strlen($bytes) < $h['length']) {
            break;
        }
        execute($h['command'], $h['id'], substr($bytes, 28, $h['ext']), substr($bytes, 28 + $h['ext'], $h['length'] - 28 - $h['ext']));
        $bytes = substr($bytes, $h['length']);
    }
    $buffers[$key] = $bytes;
}

while (true) {
    $read = $inner + [-1 => $innerPort, -2 => $clientPort, -3 => $controlPort];
    $write = $except = null;
    if (@stream_select($read, $write, $except, null) === false) {
        continue;
    }
    foreach ($read as $stream) {
        if ($stream === $innerPort) {
            if ($accepted = @stream_socket_accept($stream, 0)) {
                stream_set_blocking($accepted, false);
                stream_set_read_buffer($accepted, 0);
                $inner[(int) $accepted] = $accepted;
                $buffers[(int) $accepted] = '';
            }
        } elseif ($stream === $clientPort) {
            if ($accepted = @stream_socket_accept($stream, 0)) {
                handshake($accepted);
            }
        } elseif ($stream === $controlPort) {
            if ($accepted = @stream_socket_accept($stream, 1)) {
                fread($accepted, 8192);
                fwrite($accepted, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\n{}\n");
                fclose($accepted);
            }
        } else {
            readInner($stream);
        }
    }
}
