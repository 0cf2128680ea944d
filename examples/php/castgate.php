<?php
declare(strict_types=1);

/**
 * A small client for castgate's control API, and functions that the scripts of
 * this example share. Plain PHP 8 without additional extensions.
 *
 * Environment:
 *   CASTGATE_CONTROL      host:port of the control port, default 127.0.0.1:7273
 *   CASTGATE_CONTROL_KEY  control key, if the gateway was started with one
 *   WS_URL                address the browser connects to; default ws://<this host>:7272/
 */

/** An answer of the control port other than 200, or no answer at all. */
final class CastgateError extends RuntimeException
{
    /** @param string $errorCode the stable "code" of the problem document */
    public function __construct(string $message, public readonly int $status, public readonly string $errorCode)
    {
        parent::__construct($message);
    }
}

final class Castgate
{
    public function __construct(
        private readonly string $control,
        private readonly string $key = '',
        private readonly float $timeoutSeconds = 3.0,
    ) {
    }

    public static function fromEnvironment(): self
    {
        return new self(
            getenv('CASTGATE_CONTROL') ?: '127.0.0.1:7273',
            getenv('CASTGATE_CONTROL_KEY') ?: '',
        );
    }

    /**
     * Binds a client to a uid and joins it to groups.
     *
     * @param list<string> $groups
     * @return array<string, mixed>
     */
    public function bind(string $clientId, string $uid, array $groups = []): array
    {
        return $this->call('bind', ['client_id' => $clientId, 'uid' => $uid, 'groups' => $groups]);
    }

    /**
     * Pushes a JSON message.
     *
     * @param array<string, mixed> $to      client_ids, uids, groups or all
     * @param array<string, mixed> $exclude client_ids or uids
     * @return array<string, mixed>
     */
    public function push(array $to, mixed $json, array $exclude = []): array
    {
        $body = ['to' => $to, 'json' => $json];
        if ($exclude !== []) {
            $body['exclude'] = $exclude;
        }
        return $this->call('push', $body);
    }

    /**
     * @param array<string, mixed> $body
     * @return array<string, mixed>
     */
    public function call(string $verb, array $body): array
    {
        $headers = ['Content-Type: application/json', 'Connection: close'];
        if ($this->key !== '') {
            $headers[] = 'Authorization: Bearer ' . $this->key;
        }
        $stream = @fopen("http://{$this->control}/v1/$verb", 'r', false, stream_context_create(['http' => [
            'method' => 'POST',
            'protocol_version' => 1.1,
            'header' => $headers,
            'content' => json_encode($body, JSON_THROW_ON_ERROR | JSON_UNESCAPED_UNICODE),
            'timeout' => $this->timeoutSeconds,
            'ignore_errors' => true, // the body of an error says what was wrong
        ]]));
        if ($stream === false) {
            throw new CastgateError('the gateway\'s control port does not answer', 502, 'unreachable');
        }
        $text = (string) stream_get_contents($stream);
        $status = self::status(stream_get_meta_data($stream)['wrapper_data'] ?? []);
        fclose($stream);
        $answer = json_decode($text, true);
        if (!is_array($answer)) {
            throw new CastgateError('the answer of the control port is not JSON', 502, 'malformed');
        }
        if ($status !== 200) {
            throw new CastgateError((string) ($answer['detail'] ?? $answer['title'] ?? 'error'), $status ?: 502, (string) ($answer['code'] ?? ''));
        }
        return $answer;
    }

    /** @param list<string> $headers */
    private static function status(array $headers): int
    {
        return preg_match('{^HTTP/\S+ (\d{3})}', $headers[0] ?? '', $m) ? (int) $m[1] : 0;
    }
}

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
    if (!str_starts_with($_SERVER['CONTENT_TYPE'] ?? '', 'application/json')) {
        fail(415, 'the body must be application/json');
    }
    $body = json_decode((string) file_get_contents('php://input', length: 65536), true);
    if (!is_array($body)) {
        fail(400, 'the body is not a JSON object');
    }
    return $body;
}

/**
 * A string field of the request, of 1 to $most bytes.
 *
 * @param array<string, mixed> $body
 */
function field(array $body, string $name, int $most): string
{
    $value = $body[$name] ?? null;
    if (!is_string($value) || trim($value) === '' || strlen($value) > $most) {
        fail(400, "$name must have 1 to $most bytes");
    }
    return trim($value);
}

/** @param array<string, mixed> $answer */
function reply(array $answer, int $status = 200): never
{
    http_response_code($status);
    header('Content-Type: application/json');
    header('Cache-Control: no-store');
    echo json_encode($answer, JSON_UNESCAPED_UNICODE | JSON_INVALID_UTF8_SUBSTITUTE);
    exit;
}

function fail(int $status, string $message): never
{
    reply(['error' => $message], $status);
}
