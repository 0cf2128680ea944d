<?php
declare(strict_types=1);

/** Pushes a message from the logged-in user to a client, a uid, a group or all. */

require __DIR__ . '/castgate.php';

open_session();
$body = request_json();
$uid = $_SESSION['uid'] ?? null;
session_write_close(); // the next request of this user need not wait for the push
if (!is_string($uid)) {
    fail(401, 'bind this page to a name first');
}

$kind = field($body, 'target', 16);
$name = $kind === 'all' ? '' : field($body, 'to', 128);
$to = match ($kind) {
    'client' => ['client_ids' => [$name]],
    'uid' => ['uids' => [$name]],
    'group' => ['groups' => [$name]],
    'all' => ['all' => true],
    default => fail(400, 'target must be client, uid, group or all'),
};
$message = [
    'type' => 'message',
    'from' => $uid,
    'to' => rtrim("$kind $name"),
    'text' => field($body, 'text', 4096),
];
$exclude = ($body['exclude_me'] ?? false) === true ? ['uids' => [$uid]] : [];

try {
    $answer = Castgate::fromEnvironment()->push($to, $message, $exclude);
} catch (CastgateError $e) {
    fail($e->status, $e->getMessage());
}
reply(['matched' => $answer['matched']]);
