<?php
/**
 * A BusinessWorker of our own, written from docs/gatewayworker-protocol.md sections 5.5 and 6: it learns the gateways
 * from the Register, attaches to each, and answers what clients send:
 *
 *     echo TEXT        TEXT to the client
 *     login UID GROUP  binds and joins the client; its session remembers both
 *     session          the session as JSON, as this event brought it or a second connection fetched it
 *     fetches          how often a second connection has been asked for a session
 *     shout TEXT       TEXT to the client's group
 *     bye TEXT         closes the client behind TEXT
 *
 * Usage: worker.php REGISTER SECRET NAME. Prints one line per event; ends when its standard input does.
 */

declare(strict_types=1);

require __DIR__ . '/inner.php';
require __DIR__ . '/../../clients/php/tests/check.php';

final class Worker
{
    private string $secret;
    private string $name;
    /** @var array<string, resource> by address */
    private array $gateways = [];
    /** @var array<string, string> by address */
    private array $buffers = [];
    /** @var array<string, int> by client id: the CRC of the session as it was last seen or sent */
    private array $crcs = [];
    /** @var array<string, array> by client id */
    private array $sessions = [];
    private int $fetches = 0;

    public function __construct(string $secret, string $name)
    {
        $this->secret = $secret;
        $this->name = $name;
    }

    public function run(string $registerAddress): void
    {
        $register = stream_socket_client("tcp://$registerAddress", $errno, $error, 3);
        fwrite($register, registerLine($this->secret));
        while (true) {
            $ready = array_merge([STDIN, $register], array_values($this->gateways));
            $write = $except = null;
            stream_select($ready, $write, $except, null);
            foreach ($ready as $stream) {
                if ($stream === STDIN) {
                    if (feof(STDIN) || fgets(STDIN) === false) {
                        return;
                    }
                } elseif ($stream === $register) {
                    $this->attach(addressesOf(fgets($register)));
                } else {
                    $this->read(array_search($stream, $this->gateways, true));
                }
            }
        }
    }

    private function attach(array $addresses): void
    {
        foreach (array_diff($addresses, array_keys($this->gateways)) as $address) {
            $socket = stream_socket_client("tcp://$address", $errno, $error, 3);
            fwrite($socket, frame(200, 0, '', json_encode(['worker_key' => $this->name, 'secret_key' => $this->secret])));
            stream_set_blocking($socket, false);
            $this->gateways[$address] = $socket;
            $this->buffers[$address] = '';
            echo "attached $address\n";
        }
    }

    private function read(string $address): void
    {
        $data = fread($this->gateways[$address], 65536);
        if ($data === false || $data === '') {
            if (feof($this->gateways[$address])) {
                fclose($this->gateways[$address]);
                unset($this->gateways[$address], $this->buffers[$address]);
                echo "lost $address\n";
            }
            return;
        }
        $this->buffers[$address] .= $data;
        while (($frame = takeFrame($this->buffers[$address])) !== null) {
            $this->event($frame);
        }
    }

    private function event(array $frame): void
    {
        $address = long2ip($frame['ip']) . ':' . $frame['port'];
        $client = clientId($address, $frame['id']);
        $names = [1 => 'connect', 3 => 'message', 4 => 'close', 205 => 'websocket', 201 => 'ping'];
        $body = is_array($frame['body']) ? json_encode($frame['body']) : $frame['body'];
        echo $names[$frame['command']] ?? 'unknown ' . $frame['command'], " $client $body\n";
        if ($frame['command'] === 201) {
            return;
        }
        $this->follow($client, $address, $frame);
        if ($frame['command'] === 3) {
            $before = $this->sessions[$client];
            $this->message($client, $address, $frame['id'], $frame['body']);
            if ($this->sessions[$client] !== $before) {
                $bytes = serialize($this->sessions[$client]);
                $this->say($address, frame(204, $frame['id'], $bytes));
                $this->crcs[$client] = crc32($bytes);
            }
        }
        if ($frame['command'] === 4) {
            unset($this->sessions[$client], $this->crcs[$client]);
        }
    }

    /** Keeps the client's session, which a second connection brings when its CRC is not the one expected. */
    private function follow(string $client, string $address, array $frame): void
    {
        $crc = crc32($frame['ext']);
        if (!isset($this->crcs[$client])) {
            $this->sessions[$client] = $frame['ext'] === '' ? [] : unserialize($frame['ext']);
        } elseif ($this->crcs[$client] !== $crc && $frame['command'] !== 4) {
            $socket = stream_socket_client("tcp://$address", $errno, $error, 3);
            fwrite($socket, authentication($this->secret) . frame(203, $frame['id']));
            $this->sessions[$client] = reply($socket) ?: [];
            fclose($socket);
            $this->fetches++;
        }
        $this->crcs[$client] = $crc;
    }

    private function message(string $client, string $address, int $id, string $text): void
    {
        [$verb, $rest] = explode(' ', $text, 2) + [1 => ''];
        switch ($verb) {
            case 'echo':
                $this->say($address, frame(5, $id, '', $rest));
                break;
            case 'login':
                [$uid, $group] = explode(' ', $rest);
                $this->say($address, frame(12, $id, $uid) . frame(20, $id, $group));
                $this->sessions[$client] = ['uid' => $uid, 'group' => $group] + $this->sessions[$client];
                $this->say($address, frame(5, $id, '', "logged in as $uid"));
                break;
            case 'session':
                $this->say($address, frame(5, $id, '', json_encode($this->sessions[$client])));
                break;
            case 'fetches':
                $this->say($address, frame(5, $id, '', $this->fetches));
                break;
            case 'shout':
                $group = $this->sessions[$client]['group'];
                $this->say($address, frame(22, 0, json_encode(['group' => [$group], 'exclude' => null]), $rest));
                break;
            case 'bye':
                $this->say($address, frame(7, $id, '', $rest));
                break;
        }
    }

    private function say(string $address, string $bytes): void
    {
        $socket = $this->gateways[$address];
        stream_set_blocking($socket, true);
        fwrite($socket, $bytes);
        stream_set_blocking($socket, false);
    }
}

[, $register, $secret, $name] = $argv;
(new Worker($secret, $name))->run($register);
