<?php
/** Errors, and the connection behind the calls. Arguments: the gateway's key and its address. */

declare(strict_types=1);

require __DIR__ . '/check.php';
require __DIR__ . '/../Castgate.php';

use Castgate\CastgateException;
use Castgate\Gateway;

[, $key, $address] = $argv;
Gateway::$timeout = 30;

/** @return array{string, int} code and status of the exception of $call */
function codeOf(callable $call): array
{
    try {
        $call();
    } catch (CastgateException $e) {
        return [$e->errorCode, $e->getCode()];
    }
    return ['', 200];
}

$count = [Gateway::class, 'getAllClientIdCount'];
Gateway::$controlAddress = $address;
Check::same('without a key', codeOf($count), ['unauthorized', 401]);
Gateway::$controlKey = 'wrong';
Check::same('with a wrong key', codeOf($count), ['unauthorized', 401]);
Gateway::$controlKey = '';
Gateway::$secretKey = $key;
Check::same('with the key of GatewayClient', Gateway::getAllClientIdCount(), 0);
Gateway::$controlKey = $key;

Check::same('too long a name', codeOf(static function (): void { Gateway::sendToUid(str_repeat('x', 129), 'm'); }), ['invalid_name', 400]);
Check::same('too large a message', codeOf(static function (): void { Gateway::sendToAll(str_repeat('x', 2 << 20)); }), ['body_too_large', 413]);
Check::same('NAN', codeOf(static function (): void { Gateway::setSession('x', ['n' => NAN]); }), ['invalid_value', 0]);

// An address where nobody listens: that of a closed listener.
$socket = stream_socket_server('tcp://127.0.0.1:0');
$name = stream_socket_get_name($socket, false);
Gateway::$controlAddress = $name;
Gateway::$timeout = 0.3;
Check::same('a server that does not answer', codeOf($count), ['timeout', 0]);
fclose($socket);
Check::same('no server', codeOf($count), ['unreachable', 0]);
Gateway::$timeout = 30;
Gateway::$controlAddress = $address;
Check::same('the first server again', Gateway::getAllClientIdCount(), 0);

if (function_exists('pcntl_fork')) {
    $child = pcntl_fork();
    if ($child === 0) {
        exit(Gateway::getAllClientIdCount() === 0 ? 0 : 1); // on a connection of its own
    }
    Check::same('the parent meanwhile', Gateway::getAllClientIdCount(), 0);
    pcntl_waitpid($child, $status);
    Check::same('a forked child', $status, 0);
}
for ($i = 0; $i < 200; $i++) {
    Gateway::isUidOnline("u$i");
}
Check::same('12,000 names after 200 calls', Gateway::isUidsOnline(array_map('strval', range(1, 12000))), array_fill_keys(range(1, 12000), 0));
Check::finish();
