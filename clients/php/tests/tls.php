<?php
/** An https:// address. Arguments: the address and the file of its CA. */

declare(strict_types=1);

require __DIR__ . '/check.php';
require __DIR__ . '/../Castgate.php';

use Castgate\CastgateException;
use Castgate\Gateway;

Gateway::$timeout = 30;
[, Gateway::$controlAddress, $authority] = $argv;
$stranger = Check::throws('a certificate of nobody known', CastgateException::class, [Gateway::class, 'getAllClientIdCount']);
Check::same('its code', $stranger->errorCode, 'unreachable');
Gateway::$curlOptions = [CURLOPT_CAINFO => $authority];
Check::same('with its authority', Gateway::getAllClientIdCount(), 1);
Check::same('a listing', count(Gateway::getAllClientIdList()), 1);
Check::finish();
