<?php
declare(strict_types=1);

/**
 * The page posts the client_id that it got from the gateway. This script binds
 * it to the user and adds it to the group.
 *
 * The login is simulated: anyone who enters a name is that user. In a real
 * application the uid comes from the login session, as in send_message.php,
 * never from the request.
 */

require __DIR__ . '/castgate.php';

open_session();
$body = request_json();
$clientId = field($body, 'client_id', 128);
$name = field($body, 'name', 128);
$group = field($body, 'group', 128);

try {
    $answer = Castgate::fromEnvironment()->bind($clientId, $name, [$group]);
} catch (CastgateError $e) {
    fail($e->status, $e->errorCode === 'unknown_client'
        ? 'this connection has been closed; the page reconnects'
        : $e->getMessage());
}

$_SESSION['uid'] = $name;
$_SESSION['group'] = $group;
reply(['uid' => $name, 'group' => $group, 'previous_uid' => $answer['previous_uid']]);
