<?php
declare(strict_types=1);

/**
 * The backend of a page that shows who is online. It learns that from castgate's
 * events, keeps it in SQLite, and pushes the list when it changes. The Go example
 * beside it does the same.
 *
 *     php -S 127.0.0.1:8080 examples/presence/php/index.php
 *
 * Environment:
 *   EVENTS_SECRET         the secrets of --events-secret, separated by blanks
 *   DATABASE              file of the database, default presence.sqlite
 *   WS_URL                address the browser connects to, default ws://127.0.0.1:7272/
 *   CASTGATE_CONTROL      control port of the gateway, default 127.0.0.1:7273
 *   CASTGATE_CONTROL_KEY  control key, if the gateway was started with one
 */

use Castgate\CastgateException;
use Castgate\Client;
use Castgate\Events;
use Castgate\Message;

// In an application of your own: composer require castgate/castgate.
require __DIR__ . '/../../../clients/php/Castgate.php';
spl_autoload_register(static function (string $class): void {
    require __DIR__ . '/../../../clients/php/src/' . substr($class, strlen('Castgate\\')) . '.php';
});
require __DIR__ . '/presence.php';

const MOST_EVENTS = 4 << 20; // bytes of a request

$online = new Presence(getenv('DATABASE') ?: 'presence.sqlite');
$path = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
switch ($_SERVER['REQUEST_METHOD'] . ' ' . $path) {
    case 'GET /settings':
        reply(['ws' => getenv('WS_URL') ?: 'ws://127.0.0.1:7272/']);
    case 'GET /online':
        reply($online->list());
    case 'POST /login':
        login();
    case 'POST /events':
        events($online);
}
$types = ['/' => 'text/html', '/presence.js' => 'text/javascript', '/castgate.js' => 'text/javascript', '/page.css' => 'text/css'];
if (!isset($types[$path])) {
    http_response_code(404);
    exit;
}
header("Content-Type: $types[$path]; charset=utf-8");
readfile(__DIR__ . '/../page' . ($path === '/' ? '/index.html' : $path));

/**
 * Binds the page's connection to its user. The login is simulated: anyone who enters a
 * name is that user. In a real application the uid comes from the login session, never
 * from the request.
 */
function login(): never
{
    // A form of a foreign site cannot send JSON without asking first.
    if (!str_starts_with($_SERVER['CONTENT_TYPE'] ?? '', 'application/json')) {
        fail(415, 'the body must be application/json');
    }
    $asked = json_decode((string) file_get_contents('php://input', length: 4096), true);
    if (!is_string($asked['client_id'] ?? null) || !is_string($asked['name'] ?? null)) {
        fail(400, 'client_id and name are required');
    }
    try {
        (new Client())->bind($asked['client_id'], trim($asked['name']));
    } catch (CastgateException $e) {
        fail(502, $e->getMessage());
    }
    reply(['ok' => true]);
}

/**
 * Takes what the gateway tells. It answers 204 once everything is safe in the database;
 * until then the gateway tells it again.
 */
function events(Presence $online): never
{
    $body = (string) file_get_contents('php://input', length: MOST_EVENTS);
    try {
        $events = Events::verify(getallheaders(), $body, secrets());
    } catch (CastgateException $e) {
        fail(401, $e->getMessage());
    }
    try {
        // Where events are lost, the gateway is asked who is there.
        $online->apply($events, static fn (): iterable => (new Client())->clients());
    } catch (Throwable $e) {
        error_log((string) $e);
        fail(500, 'the events are not safe in the database');
    }
    // Also for events that came again: this backend may have been killed between the
    // database and the push. A page that misses it asks for the list when it connects.
    try {
        (new Client())->push(['all' => true], Message::json($online->list()));
    } catch (CastgateException $e) {
        error_log('the list is not pushed: ' . $e->getMessage());
    }
    http_response_code(204);
    exit;
}

/** @return list<string> none where EVENTS_SECRET is not set: then no event is accepted */
function secrets(): array
{
    return preg_split('/\s+/', (string) getenv('EVENTS_SECRET'), flags: PREG_SPLIT_NO_EMPTY);
}

/** @param array<string, mixed> $answer */
function reply(array $answer): never
{
    header('Content-Type: application/json');
    header('Cache-Control: no-store');
    echo json_encode($answer, JSON_UNESCAPED_UNICODE | JSON_INVALID_UTF8_SUBSTITUTE);
    exit;
}

function fail(int $status, string $why): never
{
    http_response_code($status);
    echo $why;
    exit;
}
