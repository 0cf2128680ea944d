<?php
// GatewayWorker's own Gateway, Register and one BusinessWorker in their least form.
// The one argument is the directory of checkouts of walkor/GatewayWorker,
// walkor/workerman and workerman-php/coroutine, by their last names:
//
//     VENDOR=DIR php gateway.php start
//
// Browsers reach it at 127.0.0.1:7001, GatewayClient at 127.0.0.1:7100.
use GatewayWorker\BusinessWorker;
use GatewayWorker\Gateway;
use GatewayWorker\Lib\Gateway as Client;
use GatewayWorker\Register;
use Workerman\Worker;

spl_autoload_register(function (string $class): void {
    $vendor = getenv('VENDOR');
    foreach (['GatewayWorker\\' => 'GatewayWorker/src/', 'Workerman\\' => 'workerman/src/', 'Workerman\\Coroutine' => 'coroutine/src/Coroutine',
        'Workerman\\Coroutine\\' => 'coroutine/src/'] as $prefix => $directory) {
        $file = $vendor . '/' . $directory . str_replace('\\', '/', substr($class, strlen($prefix))) . '.php';
        if (str_starts_with($class, $prefix) && is_file($file)) {
            require $file;
            return;
        }
    }
});

class Events
{
    public static function onConnect(string $id): void
    {
        Client::sendToClient($id, json_encode(['client_id' => $id]));
    }

    public static function onMessage(string $id, mixed $message): void
    {
    }
}

$register = new Register('text://127.0.0.1:7236');
$gateway = new Gateway('websocket://127.0.0.1:7001');
$gateway->count = 1;
$gateway->lanIp = '127.0.0.1';
$gateway->startPort = 7100;
$gateway->registerAddress = '127.0.0.1:7236';
$worker = new BusinessWorker();
$worker->count = 1;
$worker->registerAddress = '127.0.0.1:7236';
$worker->eventHandler = 'Events';
Worker::$logFile = '/dev/null';
Worker::$pidFile = sys_get_temp_dir() . '/castgate-gatewayworker.pid';
Worker::runAll();
