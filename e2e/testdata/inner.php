<?php
/**
 * GatewayWorker's wire as PHP applications speak it, written from docs/gatewayworker-protocol.md: the Register's
 * lines (section 1) and the frames of the inner protocol (section 2).
 */

declare(strict_types=1);

/** Asks a Register for its list, as GatewayClient does: one line there, one line back. */
function gateways(string $register, string $secret): array
{
    $socket = stream_socket_client("tcp://$register", $errno, $error, 3);
    stream_set_timeout($socket, 30); // GatewayClient: 5; tests wait longer
    fwrite($socket, registerLine($secret));
    $line = fgets($socket, 655350);
    fclose($socket);
    return addressesOf($line);
}

function registerLine(string $secret): string
{
    return '{"event":"worker_connect","secret_key":"' . $secret . '"}' . "\n";
}

/** The addresses in a broadcast. */
function addressesOf($line): array
{
    $message = json_decode((string) $line, true);
    if (!isset($message['event'], $message['addresses']) || $message['event'] !== 'broadcast_addresses') {
        throw new RuntimeException('no list from the Register: ' . var_export($line, true));
    }
    return array_values($message['addresses']);
}

/** One frame: 28 bytes of header, ext, body. Scalars are plain, everything else is serialized. */
function frame(int $command, int $id = 0, string $ext = '', $body = '', bool $raw = false): string
{
    $flags = is_scalar($body) ? 1 : 0;
    $body = is_scalar($body) ? (string) $body : serialize($body);
    return pack('NCNnNnNCnN', 28 + strlen($ext) + strlen($body), $command, 0, 0, 0, 0, $id, $flags | ($raw ? 2 : 0), 0, strlen($ext))
        . $ext . $body;
}

/** Takes a whole frame off the front of the buffer; null if there is none. */
function takeFrame(string &$buffer): ?array
{
    if (strlen($buffer) < 28) {
        return null;
    }
    $frame = unpack('Nlength/Ccommand/Nip/nport/Nclient_ip/nclient_port/Nid/Cflags/ngateway_port/Next_length', $buffer);
    if (strlen($buffer) < $frame['length']) {
        return null;
    }
    $frame['ext'] = substr($buffer, 28, $frame['ext_length']);
    $frame['body'] = substr($buffer, 28 + $frame['ext_length'], $frame['length'] - 28 - $frame['ext_length']);
    if (!($frame['flags'] & 1)) {
        $frame['body'] = unserialize($frame['body'], ['allowed_classes' => false]);
    }
    $buffer = substr($buffer, $frame['length']);
    return $frame;
}

function clientId(string $address, int $id): string
{
    [$ip, $port] = explode(':', $address);
    return bin2hex(pack('NnN', ip2long($ip), $port, $id));
}

/** @return array{string, int} the gateway's address and the connection id */
function partsOf(string $clientId): array
{
    if (strlen($clientId) !== 20) {
        throw new InvalidArgumentException("client id $clientId");
    }
    $parts = unpack('Nip/nport/Nid', hex2bin($clientId));
    return [long2ip($parts['ip']) . ':' . $parts['port'], $parts['id']];
}

/** What precedes every command when there is a key. */
function authentication(string $secret): string
{
    return $secret === '' ? '' : frame(202, 0, '', json_encode(['secret_key' => $secret]));
}

/** The reply to a query: four bytes of length, then a serialized value; false at the end of the connection. */
function reply($socket)
{
    $head = readExactly($socket, 4);
    return $head === null ? false : unserialize((string) readExactly($socket, unpack('N', $head)[1]), ['allowed_classes' => false]);
}

function readExactly($socket, int $length): ?string
{
    $data = '';
    while (strlen($data) < $length) {
        $more = fread($socket, $length - strlen($data));
        if ($more === false || $more === '') {
            return null;
        }
        $data .= $more;
    }
    return $data;
}
