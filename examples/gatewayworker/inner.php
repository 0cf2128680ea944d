<?php
declare(strict_types=1);

/** GatewayClient's protocol for a single gateway; see gateway.php. */
final class Gateway
{
    public static string $registerAddress = '127.0.0.1:1236';
    public static string $secretKey = '';

    public static function bindUid(string $clientId, string $uid): void
    {
        self::toClient(12, $clientId, $uid);
    }

    public static function joinGroup(string $clientId, string $group): void
    {
        self::toClient(20, $clientId, $group);
    }

    public static function isOnline(string $clientId): int
    {
        return self::toClient(11, $clientId, '', '', true);
    }

    public static function sendToClient(string $clientId, string $message): void
    {
        self::toClient(5, $clientId, '', $message);
    }

    public static function sendToUid(string $uid, string $message): void
    {
        self::say(self::address(), 14, 0, (string) json_encode([$uid]), $message);
    }

    /** @param list<string> $exclude client ids */
    public static function sendToGroup(string $group, string $message, array $exclude = []): void
    {
        $ext = json_encode(['group' => [$group], 'exclude' => self::numbers($exclude) ?: null]);
        self::say(self::address(), 22, 0, (string) $ext, $message);
    }

    /** @param list<string> $exclude client ids */
    public static function sendToAll(string $message, ?array $only = null, array $exclude = []): void
    {
        $ext = $exclude === [] ? '' : (string) json_encode(['exclude' => self::numbers($exclude)]);
        self::say(self::address(), 6, 0, $ext, $message);
    }

    /** @return list<string> */
    public static function getClientIdByUid(string $uid): array
    {
        $address = self::address();
        [$ip, $port] = explode(':', $address);
        return array_map(static function (int $number) use ($ip, $port): string {
            return bin2hex(pack('NnN', ip2long($ip), $port, $number));
        }, self::say($address, 15, 0, $uid, '', true));
    }

    public static function getClientCountByGroup(string $group = ''): int
    {
        return self::say(self::address(), 24, 0, $group, '', true);
    }

    /** The gateway's inner address, from the Register. */
    private static function address(): string
    {
        $socket = self::dial(self::$registerAddress);
        fwrite($socket, json_encode(['event' => 'worker_connect', 'secret_key' => self::$secretKey]) . "\n");
        $answer = json_decode((string) fgets($socket), true);
        fclose($socket);
        if (empty($answer['addresses'])) {
            throw new RuntimeException('no gateway has registered');
        }
        return reset($answer['addresses']);
    }

    /** connection id => connection id */
    private static function numbers(array $clientIds): array
    {
        $numbers = [];
        foreach ($clientIds as $id) {
            $number = hexdec(substr($id, 12));
            $numbers[$number] = $number;
        }
        return $numbers;
    }

    /** A client id contains the address of its gateway and a number: 10 bytes in hexadecimal. */
    private static function toClient(int $command, string $clientId, string $ext, string $body = '', bool $ask = false)
    {
        if (!preg_match('/^[0-9a-f]{20}$/', $clientId)) {
            throw new InvalidArgumentException('not a client id');
        }
        $parts = unpack('Nip/nport/Nnumber', (string) hex2bin($clientId));
        return self::say(long2ip($parts['ip']) . ':' . $parts['port'], $command, $parts['number'], $ext, $body, $ask);
    }

    /** Sends one command on a connection of its own. With $ask it returns the reply. */
    private static function say(string $address, int $command, int $number, string $ext, string $body, bool $ask = false)
    {
        $bytes = self::frame($command, $number, $ext, $body);
        if (self::$secretKey !== '') {
            $bytes = self::frame(202, 0, '', (string) json_encode(['secret_key' => self::$secretKey])) . $bytes;
        }
        $socket = self::dial($address);
        fwrite($socket, $bytes);
        if (!$ask) {
            fclose($socket);
            return null;
        }
        $head = stream_get_contents($socket, 4);
        $value = strlen($head) === 4 ? unserialize(stream_get_contents($socket, unpack('N', $head)[1]), ['allowed_classes' => false]) : null;
        fclose($socket);
        if ($value === null) {
            throw new RuntimeException("$address did not reply");
        }
        return $value;
    }

    private static function frame(int $command, int $number, string $ext, string $body): string
    {
        return pack('NCNnNnNCnN', 28 + strlen($ext) + strlen($body), $command, 0, 0, 0, 0, $number, 1, 0, strlen($ext)) . $ext . $body;
    }

    /** @return resource */
    private static function dial(string $address)
    {
        $socket = @stream_socket_client("tcp://$address", $errno, $error, 3);
        if ($socket === false) {
            throw new RuntimeException("$address: $error");
        }
        stream_set_timeout($socket, 5);
        return $socket;
    }
}
