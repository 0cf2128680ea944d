<?php
declare(strict_types=1);

/**
 * The page posts the client_id from its first message. This script binds it to
 * the user and adds it to the group. The login is simulated: anyone who enters
 * a name is that user. A real application takes the uid from its login session.
 */

require __DIR__ . '/gateway.php';

open_session();
$body = request_json();
$clientId = field($body, 'client_id', 20);
$name = field($body, 'name', 128);
$group = field($body, 'group', 128);

with_gateway(static function () use ($clientId, $name, $group): void {
    if (!Gateway::isOnline($clientId)) {
        fail(404, 'this connection has been closed; the page reconnects');
    }
    Gateway::bindUid($clientId, $name);
    Gateway::joinGroup($clientId, $group);
});

$_SESSION['uid'] = $name;
$_SESSION['group'] = $group;
reply(['uid' => $name, 'group' => $group]);
