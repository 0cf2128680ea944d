<?php

declare(strict_types=1);

namespace Castgate\ThinkPHP;

use Castgate\Client;
use Castgate\Gateway;
use think\Service;

/**
 * Castgate\Client from the container, and the address and the key for Castgate\Gateway's static calls. The settings are
 * in config/castgate.php:
 *
 *     return ['address' => env('CASTGATE_CONTROL'), 'key' => env('CASTGATE_CONTROL_KEY'), 'options' => []];
 *
 * ThinkPHP's env() reads .env, and of the environment only PHP_CASTGATE_CONTROL and so on. What is not there Castgate
 * reads from the environment itself.
 */
final class CastgateService extends Service
{
    public function register(): void
    {
        $config = (array) $this->app->config->get('castgate', []);
        $this->app->bind(Client::class, static function () use ($config): Client {
            static $client = null;
            return $client ??= new Client((string) ($config['address'] ?? ''), (string) ($config['key'] ?? ''), $config['options'] ?? []);
        });
        Gateway::$controlAddress = (string) ($config['address'] ?? '');
        Gateway::$controlKey = (string) ($config['key'] ?? '');
    }
}
