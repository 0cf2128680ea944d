<?php
declare(strict_types=1);

require __DIR__ . '/gateway.php';

open_session();
// The browser connects to the gateway on the host that it requested, without the port.
$host = preg_replace('/:\d+$/', '', $_SERVER['HTTP_HOST'] ?? 'localhost');
$ws = getenv('WS_URL') ?: "ws://$host:7272/";
$name = $_SESSION['uid'] ?? '';
$group = $_SESSION['group'] ?? 'lobby';

function e(string $text): string
{
    return htmlspecialchars($text, ENT_QUOTES | ENT_SUBSTITUTE, 'UTF-8');
}
?>
<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>castgate: pushed by GatewayClient</title>
  <link rel="icon" href="data:,">
  <link rel="stylesheet" href="page.css">
  <script type="module" src="page.js"></script>
</head>
<body data-ws="<?= e($ws) ?>" data-bind="bind.php" data-send="send_message.php" data-name="<?= e($name) ?>" data-group="<?= e($group) ?>">
<?php readfile(__DIR__ . '/page.html'); ?>
</body>
</html>
