<?php

declare(strict_types=1);

namespace Castgate;

/**
 * Calls one gateway and keeps its connections. Answers are the arrays of the API; failures are CastgateExceptions.
 *
 *     $gateway = new Castgate\Client('127.0.0.1:7273', $key);
 *     $gateway->bind($clientId, '42', ['news']);
 *     $gateway->push(['uids' => ['42']], 'hello');
 */
final class Client
{
    use Commands;

    private const DEFAULTS = [
        'connect_timeout' => 3, 'timeout' => 15, 'retries' => 2, 'retry_pushes' => false, 'max_body' => 1000000,
        'max_commands' => 10000, 'curl' => [],
    ];

    private Connection $connection;
    private array $options;

    /**
     * @param string|null $address host:port, unix:/path, or an http or https URL, which may have a path; without it
     *     CASTGATE_CONTROL, or else 127.0.0.1:7273
     * @param string|null $key a key of the control API; without it CASTGATE_CONTROL_KEY
     * @param array $options connect_timeout (3) and timeout (15): seconds that connecting and an attempt may take, in a
     *     listing the next row; a time-out is not retried. retries (2): how often a call is repeated, if it has certainly
     *     not been executed, and otherwise never a push, a kick or a bind that kicks. retry_pushes: these too; a client
     *     may then get a message twice. max_body, max_commands: of one request of a batch. curl: options for
     *     certificates, such as [CURLOPT_CAINFO => 'ca.pem', CURLOPT_SSLCERT => ..., CURLOPT_SSLKEY => ...].
     */
    public function __construct(?string $address = null, ?string $key = null, array $options = [])
    {
        $unknown = array_diff_key($options, self::DEFAULTS);
        if ($unknown !== []) {
            throw new \InvalidArgumentException('unknown option ' . key($unknown));
        }
        $this->options = $options + self::DEFAULTS;
        $address = $address ?: (getenv('CASTGATE_CONTROL') ?: '127.0.0.1:7273');
        self::check($address);
        $this->connection = new Connection($address, $key ?: (string) getenv('CASTGATE_CONTROL_KEY'));
        $this->connection->set([
            'connect' => (float) $this->options['connect_timeout'], 'timeout' => (float) $this->options['timeout'],
            'retries' => (int) $this->options['retries'], 'retry_pushes' => (bool) $this->options['retry_pushes'],
            'curl' => $this->options['curl'],
        ]);
    }

    /**
     * Is push with the message as the body of the request, which costs less for large ones.
     *
     * @param Message|string $message
     * @return array{matched: int, queued: int, dropped: int, written?: int}
     */
    public function pushRaw(array $to, $message, array $options = []): array
    {
        $message = $message instanceof Message ? $message : Message::text($message);
        $exclude = $options['exclude'] ?? [];
        $query = self::query([
            'client_id' => $to['client_ids'] ?? [], 'uid' => $to['uids'] ?? [], 'group' => $to['groups'] ?? [],
            'exclude_client_id' => $exclude['client_ids'] ?? [], 'exclude_uid' => $exclude['uids'] ?? [],
            'all' => empty($to['all']) ? null : '1', 'binary' => isset($message->field['base64']) ? '1' : null,
            'wait' => empty($options['wait']) ? null : 'written',
        ]);
        if (!isset($message->field['base64']) && preg_match('//u', $message->bytes) !== 1) {
            throw new CastgateException('a text message must be UTF-8', 'invalid_utf8');
        }
        return $this->connection->raw("/v1/push/raw$query", $message->bytes);
    }

    /** What the gateway knows of a client. */
    public function client(string $clientId): array
    {
        return $this->connection->request('GET', self::path($clientId), null, true);
    }

    /** Replaces a client's session, at most 4 KiB of JSON, and returns it. */
    public function putSession(string $clientId, array $session): array
    {
        return $this->connection->request('PUT', self::path($clientId) . '/session', Json::encode((object) $session), true);
    }

    /** Changes a client's session by a JSON merge patch (RFC 7396), and returns it. */
    public function patchSession(string $clientId, array $patch): array
    {
        return $this->connection->request('PATCH', self::path($clientId) . '/session', Json::encode((object) $patch), true);
    }

    /** The gateway's counters, or the sums of all nodes of a cluster. */
    public function stats(bool $cluster = false): array
    {
        return $this->connection->request('GET', $cluster ? '/v1/stats?cluster=1' : '/v1/stats', null, true);
    }

    /**
     * Makes the gateway read its configuration again.
     *
     * @return array{changed: list<string>, needs_restart: list<string>}
     */
    public function reload(): array
    {
        return $this->connection->request('POST', '/v1/reload', null, true);
    }

    /** Whether the gateway takes clients: false while it stops. */
    public function ready(): bool
    {
        try {
            $this->connection->set(['retries' => 0]);
            $this->connection->request('GET', '/readyz', null, true);
            return true;
        } catch (CastgateException $e) {
            if ($e->errorCode !== Problem::NOT_READY) {
                throw $e;
            }
            return false;
        } finally {
            $this->connection->set(['retries' => (int) $this->options['retries']]);
        }
    }

    /**
     * Lists clients as they arrive. If it throws, the listing is not complete.
     *
     * @param array{uid?: string, group?: string, limit?: int} $filter
     * @return \Generator<int, array>
     */
    public function clients(array $filter = []): \Generator
    {
        return $this->connection->rows('GET', '/v1/clients' . self::query($filter), null, true);
    }

    /** Lists uids and their numbers of connections, as clients does. */
    public function uids(array $filter = []): \Generator
    {
        return $this->connection->rows('GET', '/v1/uids' . self::query($filter), null, true);
    }

    /** Lists groups and their numbers of members, as clients does. */
    public function groups(array $filter = []): \Generator
    {
        return $this->connection->rows('GET', '/v1/groups' . self::query($filter), null, true);
    }

    /**
     * A page of clients.
     *
     * @param array{uid?: string, group?: string, limit?: int, cursor?: string} $filter
     * @return array{clients: list<array>, next_cursor: ?string}
     */
    public function clientPage(array $filter = []): array
    {
        return $this->connection->request('GET', '/v1/clients' . self::query($filter), null, true);
    }

    /** @return array{uids: list<array{uid: string, clients: int}>, next_cursor: ?string} */
    public function uidPage(array $filter = []): array
    {
        return $this->connection->request('GET', '/v1/uids' . self::query($filter), null, true);
    }

    /** @return array{groups: list<array{group: string, clients: int}>, next_cursor: ?string} */
    public function groupPage(array $filter = []): array
    {
        return $this->connection->request('GET', '/v1/groups' . self::query($filter), null, true);
    }

    /**
     * What the node asked knows of the cluster's nodes. Without a cluster there are none.
     *
     * @return array{nodes: list<array>}
     */
    public function nodes(): array
    {
        return $this->connection->request('GET', '/v1/nodes', null, true);
    }

    /**
     * Events, oldest first: those after the one with the id "after", or all that are kept. An empty page waits for an
     * event for "wait" seconds, up to 60; an attempt may then take that much longer than the time-out. The problem
     * event_gone says that events after that id are not kept any more.
     *
     * @param array{after?: ?string, limit?: int, wait?: int} $feed
     * @return array{events: list<array>, last: ?string} last is the "after" of the next page
     */
    public function eventPage(array $feed = []): array
    {
        $longer = (float) $this->options['timeout'] + ($feed['wait'] ?? 0);
        $this->connection->set(['timeout' => $longer]);
        try {
            return $this->connection->request('GET', '/v1/events' . self::query($feed), null, true);
        } finally {
            $this->connection->set(['timeout' => (float) $this->options['timeout']]);
        }
    }

    /**
     * Lists events until a page is empty: with "wait" until none has come for that long.
     *
     * @param array{after?: ?string, limit?: int, wait?: int} $feed
     * @return \Generator<int, array>
     */
    public function events(array $feed = []): \Generator
    {
        do {
            $page = $this->eventPage($feed);
            foreach ($page['events'] as $event) {
                yield $event;
            }
            $feed['after'] = $page['last'];
        } while ($page['events'] !== []);
    }

    /**
     * Events that a backend does not accept, although it accepts others.
     *
     * @return array{events: list<array{id: string, url: ?string, status: int, error: string, set_aside_at: string, event: array}>}
     */
    public function deadEvents(): array
    {
        return $this->connection->request('GET', '/v1/events/dead', null, true);
    }

    /**
     * Tells events again: all after one, or of those that were set aside some or all. Repeated only if it has certainly
     * not been executed.
     *
     * @param array{after?: string, ids?: list<string>, dead?: bool} $events one of these
     * @return array{replayed: int, failed: int, queued: int}
     */
    public function replay(array $events): array
    {
        $query = self::query(['after' => $events['after'] ?? null, 'id' => $events['ids'] ?? [], 'dead' => empty($events['dead']) ? null : '1']);
        return $this->connection->request('POST', "/v1/events/replay$query", null, false);
    }

    /** Begins a batch: commands that are sent in few requests, in order. */
    public function batch(): Batch
    {
        return new Batch($this->connection, $this->options['max_commands'], $this->options['max_body']);
    }

    protected function command(string $op, array $fields, bool $safe)
    {
        return $this->connection->request('POST', "/v1/$op", Json::encode((object) $fields), $safe);
    }

    private static function path(string $clientId): string
    {
        return '/v1/clients/' . rawurlencode($clientId);
    }

    /** Lists repeat their name; what is null is left out. */
    private static function query(array $parameters): string
    {
        $pairs = [];
        foreach ($parameters as $name => $values) {
            foreach ($values === null ? [] : (array) $values as $value) {
                $pairs[] = $name . '=' . rawurlencode((string) $value);
            }
        }
        return $pairs === [] ? '' : '?' . implode('&', $pairs);
    }

    private static function check(string $address): void
    {
        if (strncmp($address, 'unix:', 5) === 0) {
            return;
        }
        $url = parse_url(strpos($address, '://') === false ? "http://$address" : $address);
        if (!is_array($url) || ($url['host'] ?? '') === '' || !in_array($url['scheme'] ?? '', ['http', 'https'], true) || isset($url['query'])) {
            throw new CastgateException("the address $address is none of host:port, unix:/path and an http or https URL", 'invalid_address');
        }
    }
}
