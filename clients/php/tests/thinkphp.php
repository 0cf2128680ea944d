<?php
/**
 * The service for ThinkPHP, with stand-ins for the three things of ThinkPHP that it uses: think\Service, which gives it
 * the application, App::bind with App::make, and Config::get. Argument: a client id.
 */

declare(strict_types=1);

namespace think {
    /** As in topthink/framework 6 and 8: a service has the application in $app. */
    abstract class Service
    {
        protected $app;

        public function __construct(App $app)
        {
            $this->app = $app;
        }
    }

    final class Config
    {
        private array $all = [];

        public function set(array $values, string $name): void
        {
            $this->all[$name] = $values;
        }

        public function get(string $name, $default = null)
        {
            return $this->all[$name] ?? $default;
        }
    }

    final class App
    {
        public Config $config;
        private array $bound = [];

        public function __construct()
        {
            $this->config = new Config();
        }

        public function bind(string $abstract, \Closure $concrete): void
        {
            $this->bound[$abstract] = $concrete;
        }

        public function make(string $abstract)
        {
            return ($this->bound[$abstract])();
        }
    }
}

namespace {
    require __DIR__ . '/check.php';
    require __DIR__ . '/../Castgate.php';
    require __DIR__ . '/../src/Commands.php';
    require __DIR__ . '/../src/Client.php';
    require __DIR__ . '/../src/Message.php';
    require __DIR__ . '/../src/ThinkPHP/CastgateService.php';

    $app = new think\App();
    $app->config->set(['address' => getenv('CASTGATE_CONTROL'), 'key' => getenv('CASTGATE_CONTROL_KEY'), 'options' => ['timeout' => 30]], 'castgate');
    putenv('CASTGATE_CONTROL=');
    putenv('CASTGATE_CONTROL_KEY=');
    (new Castgate\ThinkPHP\CastgateService($app))->register();
    $gateway = $app->make(Castgate\Client::class);
    Check::same('one client', $app->make(Castgate\Client::class) === $gateway, true);
    Check::same('bind', $gateway->bind($argv[1], '42')['kicked'], 0);
    Check::same('push', $gateway->push(['uids' => ['42']], 'from ThinkPHP')['matched'], 1);
    Castgate\Gateway::sendToUid('42', 'and with the names of GatewayClient');
    $app->config->set(['address' => false, 'key' => false], 'castgate'); // what getenv() gives for what is not set
    (new Castgate\ThinkPHP\CastgateService($app))->register();
    Check::same('no settings', get_class($app->make(Castgate\Client::class)), Castgate\Client::class);
    Check::throws('an unknown option', InvalidArgumentException::class, static function (): void { new Castgate\Client('x', 'y', ['tiemout' => 1]); });
    Check::throws('a wrong address', Castgate\CastgateException::class, static function (): void { new Castgate\Client('ftp://x', 'y'); });
    Check::finish();
}
