<?php
declare(strict_types=1);

/**
 * The calls of GatewayClient that this example makes. An application has
 * workerman/gatewayclient from Composer, and this example uses it if it is
 * installed here. Otherwise inner.php sends the same bytes
 * (docs/gatewayworker.md): 28 bytes of header, one connection per command.
 *
 * Environment:
 *   GATEWAY_REGISTER  host:port of the Register, castgate's or PHP's, default 127.0.0.1:1236
 *   GATEWAY_SECRET    the key given to --gatewayworker-secret, if any
 *   WS_URL            address the browser connects to; default ws://<this host>:7272/
 */

if (is_file(__DIR__ . '/vendor/autoload.php')) {
    require __DIR__ . '/vendor/autoload.php';
    class_alias('GatewayClient\Gateway', 'Gateway');
} else {
    require __DIR__ . '/inner.php';
}

Gateway::$registerAddress = getenv('GATEWAY_REGISTER') ?: '127.0.0.1:1236';
Gateway::$secretKey = getenv('GATEWAY_SECRET') ?: '';

/** Opens the session that holds the login. */
function open_session(): void
{
    session_start(['cookie_httponly' => true, 'cookie_samesite' => 'Strict', 'use_strict_mode' => true]);
}

/**
 * Reads the JSON object of a POST. Requiring JSON keeps out forms on foreign
 * sites: a browser would have to ask this server first.
 *
 * @return array<string, mixed>
 */
function request_json(): array
{
    if ($_SERVER['REQUEST_METHOD'] !== 'POST') {
        header('Allow: POST');
        fail(405, 'POST only');
    }
    if (strncmp($_SERVER['CONTENT_TYPE'] ?? '', 'application/json', 16) !== 0) {
        fail(415, 'the body must be application/json');
    }
    $body = json_decode((string) file_get_contents('php://input', false, null, 0, 65536), true);
    if (!is_array($body)) {
        fail(400, 'the body is not a JSON object');
    }
    return $body;
}

/** A string field of the request, of 1 to $most bytes. */
function field(array $body, string $name, int $most): string
{
    $value = $body[$name] ?? null;
    if (!is_string($value) || trim($value) === '' || strlen($value) > $most) {
        fail(400, "$name must have 1 to $most bytes");
    }
    return trim($value);
}

/** @param array<string, mixed> $answer */
function reply(array $answer, int $status = 200): void
{
    http_response_code($status);
    header('Content-Type: application/json');
    header('Cache-Control: no-store');
    echo json_encode($answer, JSON_UNESCAPED_UNICODE | JSON_INVALID_UTF8_SUBSTITUTE);
    exit;
}

function fail(int $status, string $message): void
{
    reply(['error' => $message], $status);
}

/** Calls $work. Answers 502 if the gateway or the Register does not answer. */
function with_gateway(callable $work): void
{
    try {
        $work();
    } catch (Throwable $e) {
        error_log((string) $e);
        fail(502, 'the gateway does not answer');
    }
}
