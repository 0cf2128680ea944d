<?php

declare(strict_types=1);

namespace Castgate\Laravel;

use Castgate\Client;
use Illuminate\Broadcasting\BroadcastManager;
use Illuminate\Support\ServiceProvider;

/**
 * The broadcasting driver "castgate", and Castgate\Client for whoever asks the container for it. The settings are in
 * config/broadcasting.php:
 *
 *     'connections' => ['castgate' => ['driver' => 'castgate', 'address' => env('CASTGATE_CONTROL'), 'key' => env('CASTGATE_CONTROL_KEY')]],
 *
 * with 'options' as Castgate\Client takes them.
 */
final class CastgateServiceProvider extends ServiceProvider
{
    public function register(): void
    {
        $this->app->singleton(Client::class, static function ($app): Client {
            $config = $app['config']->get('broadcasting.connections.castgate', []);
            return new Client((string) ($config['address'] ?? ''), (string) ($config['key'] ?? ''), $config['options'] ?? []);
        });
    }

    public function boot(): void
    {
        $this->callAfterResolving(BroadcastManager::class, static function (BroadcastManager $manager): void {
            $manager->extend('castgate', static function ($app): CastgateBroadcaster {
                return new CastgateBroadcaster($app->make(Client::class));
            });
        });
    }
}
