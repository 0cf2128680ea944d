<?php
declare(strict_types=1);

/** Pushes a message from the logged-in user to a client, a uid, a group or all. */

require __DIR__ . '/gateway.php';

open_session();
$body = request_json();
$uid = $_SESSION['uid'] ?? null;
session_write_close(); // the next request of this user need not wait for the push
if (!is_string($uid)) {
    fail(401, 'bind this page to a name first');
}

$kind = field($body, 'target', 16);
if (!in_array($kind, ['client', 'uid', 'group', 'all'], true)) {
    fail(400, 'target must be client, uid, group or all');
}
$to = $kind === 'all' ? '' : field($body, 'to', 128);
$message = json_encode([
    'type' => 'message',
    'from' => $uid,
    'to' => rtrim("$kind $to"),
    'text' => field($body, 'text', 4096),
], JSON_UNESCAPED_UNICODE | JSON_INVALID_UTF8_SUBSTITUTE);
$excludeMe = ($body['exclude_me'] ?? false) === true;

with_gateway(static function () use ($kind, $to, $message, $uid, $excludeMe): void {
    // GatewayClient excludes client ids, not uids.
    $exclude = $excludeMe ? Gateway::getClientIdByUid($uid) : [];
    switch ($kind) {
        case 'client':
            Gateway::sendToClient($to, $message);
            reply(['matched' => Gateway::isOnline($to)]);
        case 'uid':
            Gateway::sendToUid($to, $message);
            reply(['matched' => count(Gateway::getClientIdByUid($to))]);
        case 'group':
            Gateway::sendToGroup($to, $message, $exclude);
            reply(['matched' => Gateway::getClientCountByGroup($to)]);
        default:
            Gateway::sendToAll($message, null, $exclude);
            reply(['matched' => Gateway::getClientCountByGroup()]);
    }
});
