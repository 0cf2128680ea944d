<?php
/** Every call of GatewayClient with Castgate\Gateway. Arguments: three client ids. */

declare(strict_types=1);

require __DIR__ . '/check.php';
require __DIR__ . '/scenario.php';
require __DIR__ . '/../Castgate.php';

Castgate\Gateway::$timeout = 30; // for a busy machine
scenario(Castgate\Gateway::class, false, array_slice($argv, 1));
Check::finish();
