<?php
// The autoloader of examples/laravel with Debian's php-laravel-framework in the place of composer's vendor folder.
error_reporting(E_ALL & ~E_DEPRECATED); // Debian's Laravel is older than its PHP
require_once 'Illuminate/autoload.php';
require_once __DIR__ . '/../../clients/php/Castgate.php';
spl_autoload_register(static function (string $class): void {
    foreach (['App\\' => 'examples/laravel/app/', 'Castgate\\' => 'clients/php/src/'] as $prefix => $folder) {
        $file = __DIR__ . "/../../$folder" . str_replace('\\', '/', substr($class, strlen($prefix))) . '.php';
        if (strncmp($class, $prefix, strlen($prefix)) === 0 && is_file($file)) {
            require $file;
        }
    }
});
