<?php

declare(strict_types=1);

namespace Castgate;

/** Verifies the events that a gateway posts to a backend (Standard Webhooks). */
final class Events
{
    /** Seconds that the clocks of gateway and backend may differ. */
    public const TOLERANCE = 300;

    /**
     * Returns the events of a request, or throws a CastgateException.
     *
     * @param array<string, string|list<string>> $headers of the request, in any spelling of their names: getallheaders(),
     *     or $request->headers->all()
     * @param string $body what the gateway sent, byte for byte: file_get_contents('php://input')
     * @param string|list<string> $secrets of --events-secret, with or without whsec_; two while they are rotated
     * @return list<array{id: string, type: string, subject?: string, sequence?: int, data?: array}>
     */
    public static function verify(array $headers, string $body, $secrets, ?int $now = null): array
    {
        $keys = array_map([self::class, 'key'], (array) $secrets);
        if ($keys === []) {
            throw new CastgateException('no secret is given', 'webhook_secret');
        }
        $headers = array_change_key_case($headers);
        [$id, $stamp, $signatures] = array_map(static function (string $name) use ($headers): string {
            return implode(' ', (array) ($headers["webhook-$name"] ?? ''));
        }, ['id', 'timestamp', 'signature']);
        if ($id === '' || $stamp === '' || $signatures === '') {
            throw new CastgateException('webhook-id, webhook-timestamp or webhook-signature is missing', 'webhook_header');
        }
        if (!ctype_digit($stamp) || strlen($stamp) > 15) {
            throw new CastgateException('webhook-timestamp is not a number', 'webhook_timestamp');
        }
        if (abs(($now ?? time()) - (int) $stamp) > self::TOLERANCE) {
            throw new CastgateException('webhook-timestamp differs from the clock by more than 5 minutes', 'webhook_timestamp');
        }
        $good = false;
        foreach ($keys as $key) {
            $want = 'v1,' . base64_encode(hash_hmac('sha256', "$id.$stamp.$body", $key, true));
            foreach (explode(' ', $signatures) as $signature) {
                $good = hash_equals($want, $signature) || $good;
            }
        }
        if (!$good) {
            throw new CastgateException('no signature fits', 'webhook_signature');
        }
        return self::parse($body);
    }

    private static function key(string $secret): string
    {
        $key = base64_decode(strncmp($secret, 'whsec_', 6) === 0 ? substr($secret, 6) : $secret, true);
        if ($key === false || $key === '') {
            throw new CastgateException('a secret is not in base64', 'webhook_secret');
        }
        return $key;
    }

    private static function parse(string $body): array
    {
        $value = json_decode($body, true);
        $isList = is_array($value) && ($value === [] || isset($value[0]) || array_keys($value) === [0]);
        $events = $isList ? $value : [$value];
        foreach ($events as $event) {
            if (!is_array($event) || empty($event['id']) || empty($event['type'])) {
                throw new CastgateException('the body is not one event or a list of events', 'malformed');
            }
        }
        return $events;
    }
}
