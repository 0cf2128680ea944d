<?php
/** Batches, and what HTTP does not support. Arguments: two client ids. */

declare(strict_types=1);

require __DIR__ . '/check.php';
require __DIR__ . '/../Castgate.php';

use Castgate\CastgateException;
use Castgate\Gateway;

[, $a, $b] = $argv;
Gateway::$timeout = 30;

Check::same('a batch', Gateway::batch(static function () use ($a, $b): void {
    Gateway::bindUid($a, 'ann');
    Gateway::bindUid('no-such-client', 'ghost');
    Gateway::joinGroup($a, 'g');
    Gateway::joinGroup($b, 'g');
    Gateway::setSession($a, ['n' => 1]);
    Gateway::updateSession($a, ['m' => 2]);
    Gateway::sendToGroup('g', 'to the group');
    Gateway::sendToUid('ann', 'to ann');
}), 8);
Check::sameSet('its session', Gateway::getSession($a), ['m' => 2, 'n' => 1]);

Check::same('a query in a batch comes after what was before it', Gateway::batch(static function () use ($b): void {
    Gateway::bindUid($b, 'bob');
    Check::same('asked', Gateway::getUidByClientId($b), 'bob');
    Gateway::batch(static function () use ($b): void { Gateway::bindUid($b, 'bert'); });
    Gateway::sendToUid('bert', 'to bert');
}), 3);

$failed = Check::throws('one failing command', CastgateException::class, static function () use ($a): void {
    Gateway::batch(static function () use ($a): void {
        Gateway::sendToClient($a, 'before');
        Gateway::joinGroup($a, str_repeat('x', 129));
        Gateway::joinGroup($a, str_repeat('y', 129));
        Gateway::sendToClient($a, 'after');
    });
});
Check::same('its code', $failed->errorCode, 'invalid_name');
Check::same('its number', strpos($failed->getMessage(), 'command 2, join:'), 0);

Check::throws('a callback that throws', DomainException::class, static function () use ($a): void {
    Gateway::batch(static function () use ($a): void {
        Gateway::sendToClient($a, 'never sent');
        throw new DomainException();
    });
});
Check::throws('commit alone', LogicException::class, [Gateway::class, 'commit']);

Gateway::$maxBody = 400; // about four of the commands below
Gateway::begin();
for ($i = 0; $i < 100; $i++) {
    Gateway::sendToClient($a, "number $i");
}
Check::same('a batch in several requests', Gateway::commit(), 100);

Check::throws('raw', CastgateException::class, static function () use ($a): void { Gateway::sendToClient($a, "\x81\x00", true); });
Check::throws('an array as group', TypeError::class, static function () use ($a): void { Gateway::joinGroup($a, ['g']); });
Check::throws('a name that is not UTF-8', CastgateException::class, static function () use ($a): void { Gateway::bindUid($a, "\xff"); });
Check::throws('a session that is not an array', CastgateException::class, static function () use ($a): void { Gateway::setSocketSession($a, 'i:5;'); });
Check::throws('no current client', CastgateException::class, [Gateway::class, 'destoryCurrentClient']);
Check::same('binary', Gateway::sendToClient($a, "\xff\x00"), true);
Check::same('an empty last message', Gateway::closeClient($a, ''), true);
Check::same('a binary last message', Gateway::closeClient($b, "\xfe"), true);
Check::finish();
