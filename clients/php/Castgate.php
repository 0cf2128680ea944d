<?php
/**
 * Castgate: the calls of GatewayClient over castgate's HTTP control API.
 *
 * One file, PHP 7.4 or newer, ext-curl. An application changes one line,
 *
 *     use GatewayClient\Gateway;    ->    require 'Castgate.php'; use Castgate\Gateway;
 *
 * and keeps its calls: Gateway::bindUid, Gateway::sendToGroup and so on have the same names, arguments and return
 * values. The address comes from Gateway::$controlAddress or CASTGATE_CONTROL, the key from Gateway::$controlKey,
 * CASTGATE_CONTROL_KEY or Gateway::$secretKey.
 *
 * What is better here: every call is acknowledged, so it has been executed when it returns. One connection serves
 * all calls of a request. Gateway::batch() sends many calls in one request. Errors are CastgateExceptions with the
 * stable codes of castgate's problem documents.
 *
 * What HTTP does not support, and what happens instead:
 * - Raw frames ($raw = true): CastgateException, code raw_unsupported.
 * - A message that is not UTF-8 goes out as a binary message; WebSocket text must be UTF-8.
 * - Sessions are JSON objects of at most 4 KiB: objects become arrays, keys may change their order after
 *   updateSession, NAN and INF are refused. updateSession merges as GatewayWorker does. If the update contains
 *   null, a list or integer keys, that takes a read and a write, and the later of two writers wins. Sessions of
 *   the inner protocol (PHP bytes) are separate from these.
 * - A client that is in two uids or groups of one call gets one copy, not two.
 * - destoryClient still writes what is queued for the client; there is no harder close.
 * - Lists of clients come in no particular order.
 * - Names have 1 to 128 bytes of UTF-8; others are CastgateException, code invalid_name or invalid_utf8.
 * - Where GatewayClient prints an exception into the page, a line goes to error_log().
 */

declare(strict_types=1);

namespace Castgate;

/** An error. $errorCode is stable: the code of castgate's problem document, or one of those below. */
class CastgateException extends \RuntimeException
{
    /** @var string e.g. unauthorized, busy, invalid_name; from this class: unreachable, timeout, malformed, invalid_utf8, raw_unsupported, invalid_session */
    public $errorCode;

    /** @var int HTTP status, 0 if there was no answer; getCode() is the same */
    public $status;

    /** @var bool the call may have been executed although it failed */
    public $sent;

    public function __construct(string $message, string $errorCode, int $status = 0, ?\Throwable $previous = null, bool $sent = false)
    {
        parent::__construct($message, $status, $previous);
        $this->errorCode = $errorCode;
        $this->status = $status;
        $this->sent = $sent;
    }
}

/** Every method is static. Inside a batch, calls that change or send are queued, and a query sends the queue first. */
class Gateway
{
    /** host:port of the control API, unix:/path, or a URL; '' means CASTGATE_CONTROL or 127.0.0.1:7273 */
    public static string $controlAddress = '';

    /** A key of the control API; '' means CASTGATE_CONTROL_KEY or else $secretKey. */
    public static string $controlKey = '';

    /** Seconds for connecting, and for a whole call. A listing may take longer as long as rows keep arriving. */
    public static $connectTimeout = 3;
    public static $timeout = 5;

    /**
     * How often a call is repeated: if it has certainly not been executed, and otherwise never a push or a kick. With
     * $retryPushes these too; a client may then get a message twice.
     */
    public static $retries = 2;
    public static $retryPushes = false;

    /** Largest batch request in bytes; castgate's --control-max-body must not be less. */
    public static int $maxBody = 1000000;

    /** Options of curl that override ours: CURLOPT_CAINFO, CURLOPT_SSLCERT and so on for an https:// address. */
    public static array $curlOptions = [];

    /** GatewayClient's key. It is the key for the control API if no other is set. */
    public static $secretKey = '';

    /** GatewayClient's settings, for code that sets them. They have no effect here. */
    public static $registerAddress = '';
    public static $persistentConnection = true;
    public static $addressesCacheDisable = false;

    /** castgate's limit of commands in one batch, and half of its limit of names in one request. */
    private const MAX_COMMANDS = 10000;
    private const MAX_NAMES = 5000;

    private static ?Connection $connection = null;
    private static ?CommandQueue $batch = null;

    // Sending. It is not an error if nobody is online.

    /**
     * @param mixed $message scalars as text, arrays and null as JSON
     * @param array|null $client_id_array only these; [] is nobody
     * @param array|string|null $exclude_client_id
     */
    public static function sendToAll($message, $client_id_array = null, $exclude_client_id = null, $raw = false)
    {
        $exclude = self::ids($exclude_client_id);
        if ($client_id_array === null) {
            self::push(['all' => true], $message, $exclude, $raw);
        } elseif (!is_array($client_id_array)) {
            self::complain('sendToAll: client_id_array must be an array');
        } else {
            $ids = array_values(array_diff(self::ids($client_id_array), $exclude));
            foreach (array_chunk($ids, self::MAX_NAMES) as $some) {
                self::push(['client_ids' => $some], $message, [], $raw);
            }
        }
    }

    /** @return bool true, also if the client is offline */
    public static function sendToClient($client_id, $message, $raw = false)
    {
        self::push(['client_ids' => [(string) $client_id]], $message, [], $raw);
        return true;
    }

    /** @param mixed $uid one, or an array of several */
    public static function sendToUid($uid, $message, $raw = false)
    {
        $uids = array_diff(self::names(is_array($uid) ? $uid : [(string) $uid]), ['']);
        foreach (array_chunk($uids, self::MAX_NAMES) as $some) {
            self::push(['uids' => $some], $message, [], $raw);
        }
    }

    /**
     * @param mixed $group one, or an array of several
     * @return false|null false if the group is empty
     */
    public static function sendToGroup($group, $message, $exclude_client_id = null, $raw = false)
    {
        if (self::isEmptyGroup($group, 'sendToGroup')) {
            return false;
        }
        $groups = array_values(array_diff(self::names((array) $group), ['', '0']));
        if ($groups !== []) {
            self::push(['groups' => $groups], $message, self::ids($exclude_client_id), $raw);
        }
        return null;
    }

    // Uids and groups. Calls about an offline client do nothing, without an error.

    /** An empty uid, or "0", is ignored. */
    public static function bindUid($client_id, $uid)
    {
        if (!empty($uid)) {
            self::command('bind', ['client_id' => (string) $client_id, 'uid' => (string) $uid]);
        }
    }

    /** Removes the client's uid, whatever it is: GatewayWorker ignores $uid too. */
    public static function unbindUid($client_id, $uid)
    {
        self::command('unbind', ['client_id' => (string) $client_id]);
    }

    public static function joinGroup($client_id, $group)
    {
        self::membership('join', $client_id, $group);
    }

    public static function leaveGroup($client_id, $group)
    {
        self::membership('leave', $client_id, $group);
    }

    /** @return false|null false if the group is empty */
    public static function ungroup($group)
    {
        if (self::isEmptyGroup($group, 'ungroup')) {
            return false;
        }
        self::command('ungroup', ['groups' => [(string) $group]]);
        return null;
    }

    /**
     * Closes the client after its queued messages and $message, if given.
     *
     * @return bool true
     */
    public static function closeClient($client_id, $message = null)
    {
        $kick = ['client_ids' => [(string) $client_id]];
        if ($message !== null) {
            $payload = self::payload($message);
            if (($payload['text'] ?? '') !== '') {
                $kick += $payload;
            } else { // a kick cannot carry an empty or a binary message
                self::command('push', ['to' => $kick] + $payload);
            }
        }
        self::command('kick', $kick);
        return true;
    }

    /** @return bool true */
    public static function destoryClient($client_id)
    {
        return self::closeClient($client_id);
    }

    public static function destoryCurrentClient()
    {
        throw new CastgateException('there is no current client outside a worker', 'no_current_client');
    }

    // Sessions.

    public static function setSession($client_id, array $session)
    {
        self::command('put_session', ['client_id' => (string) $client_id, 'session' => (object) $session]);
    }

    /** Merges as array_replace_recursive does. */
    public static function updateSession($client_id, array $session)
    {
        if (self::isMergePatch($session)) {
            self::command('patch_session', ['client_id' => (string) $client_id, 'session' => (object) $session]);
            return;
        }
        $old = self::getSession($client_id);
        if ($old !== null) {
            self::setSession($client_id, array_replace_recursive($old, $session));
        }
    }

    /**
     * @param string $session a serialized array, or ''
     * @return bool true
     */
    public static function setSocketSession($client_id, $session)
    {
        $value = $session === '' ? [] : @unserialize((string) $session, ['allowed_classes' => false]);
        if (!is_array($value)) {
            throw new CastgateException('a session must be a serialized array', 'invalid_session');
        }
        self::setSession($client_id, $value);
        return true;
    }

    /** @return array|null null if the client is offline, [] if it has no session */
    public static function getSession($client_id)
    {
        $client = self::client($client_id);
        return $client === null ? null : $client['session'] ?? [];
    }

    // Queries. A call costs one request of constant size unless its comment says otherwise.

    /** @return int 1 or 0 */
    public static function isOnline($client_id)
    {
        $answer = self::ask('online', ['client_ids' => [(string) $client_id]]);
        return (int) $answer['client_ids'][(string) $client_id];
    }

    /** @return int 1 or 0 */
    public static function isUidOnline($uid)
    {
        $uid = (string) $uid;
        return $uid === '' ? 0 : (int) (self::ask('online', ['uids' => [$uid]])['uids'][$uid] > 0);
    }

    /** @return array<int|string, int> uid => 1 or 0 */
    public static function isUidsOnline(array $uids)
    {
        $online = self::byName($uids, 'online', 'uids');
        return array_map(static function (int $n): int { return (int) ($n > 0); }, $online);
    }

    /** Costs a row per connection of the uid. @return list<string> client ids */
    public static function getClientIdByUid($uid)
    {
        $ids = [];
        if ((string) $uid !== '') {
            self::rows('clients', ['uid' => (string) $uid], static function (array $row) use (&$ids): void {
                $ids[] = $row['client_id'];
            });
        }
        return $ids;
    }

    /** Costs a request per uid. @return array<int|string, list<string>> */
    public static function batchGetClientIdByUid(array $uids)
    {
        $list = [];
        foreach (self::names($uids) as $uid) {
            $list[$uid] = self::getClientIdByUid($uid);
        }
        return $list;
    }

    /** @return string|null null if the client is offline or not bound */
    public static function getUidByClientId($client_id)
    {
        return self::client($client_id)['uid'] ?? null;
    }

    /** @return int members; without a group, clients */
    public static function getClientCountByGroup($group = '')
    {
        $group = (string) $group;
        return $group === '' ? self::getAllClientIdCount() : self::byName([$group], 'counts', 'groups')[$group];
    }

    /** @return int */
    public static function getClientIdCountByGroup($group = '')
    {
        return self::getClientCountByGroup($group);
    }

    /** @return int */
    public static function getAllClientIdCount()
    {
        return self::ask('stats')['connections'];
    }

    /** @return int */
    public static function getAllClientCount()
    {
        return self::getAllClientIdCount();
    }

    /** @return array<int|string, int> group => members */
    public static function batchGetClientIdCountByGroup(array $groups)
    {
        return self::byName($groups, 'counts', 'groups');
    }

    /** Costs a row per client. @return array<string, array> client id => session */
    public static function getAllClientSessions($group = '')
    {
        $sessions = [];
        $narrow = empty($group) ? [] : ['group' => (string) $group];
        self::rows('clients', $narrow, static function (array $row) use (&$sessions): void {
            $sessions[$row['client_id']] = $row['session'] ?? [];
        });
        return $sessions;
    }

    /** @deprecated getAllClientSessions */
    public static function getAllClientInfo($group = '')
    {
        self::complain('getAllClientInfo is deprecated: call getAllClientSessions');
        return self::getAllClientSessions($group);
    }

    /** Costs a row per member. @return array<string, array> client id => session */
    public static function getClientSessionsByGroup($group)
    {
        return self::isEmptyGroup($group, 'getClientSessionsByGroup') ? [] : self::getAllClientSessions($group);
    }

    public static function getClientInfoByGroup($group)
    {
        return self::getClientSessionsByGroup($group);
    }

    /** Costs a row per member. @return array<string, string> client id => client id */
    public static function getClientIdListByGroup($group)
    {
        return self::column('clients', 'client_id', (array) $group);
    }

    /** Costs a row per client. @return array<string, string> client id => client id */
    public static function getAllClientIdList()
    {
        return self::column('clients', 'client_id', null);
    }

    /** Costs a row per uid. @return array<int|string, string> uid => uid */
    public static function getUidListByGroup($group)
    {
        return self::column('uids', 'uid', (array) $group);
    }

    /** Costs a row per uid. @return int */
    public static function getUidCountByGroup($group)
    {
        return count(self::getUidListByGroup($group));
    }

    /** Costs a row per uid. @return array<int|string, string> uid => uid */
    public static function getAllUidList()
    {
        return self::column('uids', 'uid', null);
    }

    /** @return int uids in use */
    public static function getAllUidCount()
    {
        return self::ask('stats')['uids'];
    }

    /** Costs a row per group. @return array<int|string, int|string> group => group, integers where PHP makes keys integers */
    public static function getAllGroupIdList()
    {
        $groups = array_keys(self::column('groups', 'group', null));
        return array_combine($groups, $groups);
    }

    /** Costs a row per client. @return array<int|string, array<int|string, string>> group => (uid => uid) */
    public static function getAllGroupUidList()
    {
        return self::byGroup('uid');
    }

    /** Costs a row per client. @return array<int|string, int> group => uids in it */
    public static function getAllGroupUidCount()
    {
        return array_map('count', self::getAllGroupUidList());
    }

    /** Costs a row per client. @return array<int|string, array<string, string>> group => (client id => client id) */
    public static function getAllGroupClientIdList()
    {
        return self::byGroup('client_id');
    }

    /** Costs a row per group. @return array<int|string, int> group => members */
    public static function getAllGroupClientIdCount()
    {
        $counts = [];
        self::rows('groups', [], static function (array $row) use (&$counts): void {
            $counts[$row['group']] = $row['clients'];
        });
        return $counts;
    }

    // Batches.

    /**
     * Runs $calls and sends its commands in as few requests as possible, in order. A command that fails does not
     * stop the others. If $calls throws, the commands that are still queued are not sent.
     *
     * @return int how many commands were executed
     * @throws CastgateException the first failure, after all the others have been executed
     */
    public static function batch(callable $calls)
    {
        self::begin();
        try {
            $calls();
        } catch (\Throwable $e) {
            self::discard();
            throw $e;
        }
        return self::commit();
    }

    /** Begins a batch. A nested batch is part of the outer one. */
    public static function begin()
    {
        if (self::$batch === null) {
            self::$batch = new CommandQueue(self::MAX_COMMANDS, self::$maxBody, static function (string $lines, bool $safe, callable $reply): void {
                foreach (self::connection()->rows('POST', '/v1/batch', $lines, $safe) as $line) {
                    $reply($line);
                }
            });
        }
        self::$batch->depth++;
    }

    /**
     * Ends a batch. The outermost commit sends what is queued.
     *
     * @return int how many commands were executed, 0 for a nested batch
     */
    public static function commit()
    {
        $batch = self::$batch;
        if ($batch === null) {
            throw new \LogicException('commit without begin');
        }
        if (--$batch->depth > 0) {
            return 0;
        }
        self::$batch = null;
        return $batch->finish();
    }

    /** Ends a batch. The outermost discard drops what has not been sent. */
    public static function discard()
    {
        if (self::$batch !== null && --self::$batch->depth === 0) {
            self::$batch = null;
        }
    }

    // Internals.

    private static function connection(): Connection
    {
        $address = self::$controlAddress ?: (getenv('CASTGATE_CONTROL') ?: '127.0.0.1:7273');
        $key = self::$controlKey ?: (getenv('CASTGATE_CONTROL_KEY') ?: (string) self::$secretKey);
        if (self::$connection === null || !self::$connection->serves($address, $key)) {
            self::$connection = new Connection($address, $key);
        }
        self::$connection->set([
            'connect' => (float) self::$connectTimeout, 'timeout' => (float) self::$timeout, 'retries' => (int) self::$retries,
            'retry_pushes' => (bool) self::$retryPushes, 'curl' => self::$curlOptions,
        ]);
        return self::$connection;
    }

    /** Executes a command, or queues it in a batch. */
    private static function command(string $op, array $fields): void
    {
        if (self::$batch !== null) {
            self::$batch->add(['op' => $op] + $fields);
            return;
        }
        try {
            if ($op === 'put_session' || $op === 'patch_session') {
                $path = '/v1/clients/' . rawurlencode($fields['client_id']) . '/session';
                self::connection()->request($op === 'put_session' ? 'PUT' : 'PATCH', $path, Json::encode($fields['session']), true);
            } else {
                self::connection()->request('POST', "/v1/$op", Json::encode($fields), $op !== 'push' && $op !== 'kick');
            }
        } catch (CastgateException $e) {
            if ($e->errorCode !== 'unknown_client') {
                throw $e;
            }
        }
    }

    /** Sends what is queued, and then a query. */
    private static function ask(string $what, ?array $body = null): array
    {
        if (self::$batch !== null) {
            self::$batch->flush();
        }
        return self::connection()->request($body === null ? 'GET' : 'POST', "/v1/$what", $body === null ? null : Json::encode($body), true);
    }

    /** A client's data, null if it is offline. */
    private static function client($client_id): ?array
    {
        try {
            return self::ask('clients/' . rawurlencode((string) $client_id));
        } catch (CastgateException $e) {
            if ($e->status === 404) {
                return null;
            }
            throw $e;
        }
    }

    /** Calls $each for every row of a listing as it arrives. */
    private static function rows(string $listing, array $narrow, callable $each): void
    {
        if (self::$batch !== null) {
            self::$batch->flush();
        }
        $query = $narrow === [] ? '' : '?' . http_build_query($narrow);
        foreach (self::connection()->rows('GET', "/v1/$listing$query", null, true) as $row) {
            $each($row);
        }
    }

    /** One field of every row, as key and value; only rows of these groups unless $groups is null. */
    private static function column(string $listing, string $field, ?array $groups): array
    {
        $values = [];
        $each = static function (array $row) use (&$values, $field): void {
            $values[$row[$field]] = $row[$field];
        };
        if ($groups === null) {
            self::rows($listing, [], $each);
        }
        foreach (array_diff(self::names($groups ?? []), ['']) as $group) {
            self::rows($listing, ['group' => $group], $each);
        }
        return $values;
    }

    /** group => (value => value) for one field of all clients that have it. */
    private static function byGroup(string $field): array
    {
        $list = [];
        self::rows('clients', [], static function (array $row) use (&$list, $field): void {
            foreach ($row[$field] === null ? [] : $row['groups'] as $group) {
                $list[$group][$row[$field]] = $row[$field];
            }
        });
        return $list;
    }

    /** name => number, in the order of $names. */
    private static function byName(array $names, string $verb, string $kind): array
    {
        $numbers = array_fill_keys(self::names($names), 0);
        $asked = array_map('strval', array_keys($numbers));
        foreach (array_chunk(array_values(array_diff($asked, [''])), self::MAX_NAMES) as $some) {
            $numbers = array_replace($numbers, self::ask($verb, [$kind => $some])[$kind]);
        }
        return $numbers;
    }

    private static function push(array $to, $message, array $exclude, $raw): void
    {
        if ($raw) {
            throw new CastgateException('the control API does not support raw frames', 'raw_unsupported');
        }
        $fields = ['to' => $to] + self::payload($message);
        if ($exclude !== []) {
            $fields['exclude'] = ['client_ids' => $exclude];
        }
        self::command('push', $fields);
    }

    private static function membership(string $op, $client_id, $group): void
    {
        if (is_array($group)) {
            throw new \TypeError("a client can $op one group at a time, not an array");
        }
        if (!empty($group)) {
            self::command($op, ['client_ids' => [(string) $client_id], 'groups' => [(string) $group]]);
        }
    }

    /** The payload of a push, as with GatewayWorker: scalars as text, everything else as JSON. */
    private static function payload($message): array
    {
        $text = is_scalar($message) ? (string) $message : Json::encode($message, JSON_UNESCAPED_UNICODE);
        return preg_match('//u', $text) === 1 ? ['text' => $text] : ['base64' => base64_encode($text)];
    }

    /** Names converted as PHP converts array keys: true is 1, false 0, null the empty string, 1.7 is 1. */
    private static function names(array $list): array
    {
        $names = [];
        foreach ($list as $name) {
            if (is_bool($name) || is_float($name)) {
                $name = (int) $name;
            } elseif (is_array($name)) {
                throw new \TypeError('a name must not be an array');
            }
            $names[] = (string) $name;
        }
        return $names;
    }

    /** @param array|string|null $ids */
    private static function ids($ids): array
    {
        return empty($ids) ? [] : array_values(array_unique(array_map('strval', (array) $ids)));
    }

    private static function isEmptyGroup($group, string $call): bool
    {
        if (empty($group)) {
            self::complain("$call: the group is empty");
        }
        return empty($group);
    }

    /** Whether RFC 7396 merges it as PHP does: no null, which would delete, no list, no integer keys. */
    private static function isMergePatch(array $session): bool
    {
        foreach ($session as $key => $value) {
            if ($value === null || is_object($value) || is_int($key) || $value === [] || is_array($value) && !self::isMergePatch($value)) {
                return false;
            }
        }
        return true;
    }

    private static function complain(string $what): void
    {
        error_log("Castgate\\Gateway: $what");
    }
}

/** Commands queued for one request. Internal. */
final class CommandQueue
{
    public int $depth = 0;
    private int $maxCommands;
    private int $maxBytes;
    /** @var callable(string, callable): void */
    private $send;
    private string $lines = '';
    /** @var list<string> ops of the queued commands */
    private array $ops = [];
    private int $done = 0;
    private int $failed = 0;
    private ?CastgateException $first = null;

    public function __construct(int $maxCommands, int $maxBytes, callable $send)
    {
        $this->maxCommands = $maxCommands;
        $this->maxBytes = $maxBytes;
        $this->send = $send;
    }

    public function add(array $command): void
    {
        $line = Json::encode($command) . "\n";
        if (strlen($this->lines) + strlen($line) > $this->maxBytes || count($this->ops) === $this->maxCommands) {
            $this->flush();
        }
        $this->lines .= $line;
        $this->ops[] = $command['op'];
    }

    /** Sends the queued commands. Failures of single commands are kept for finish. */
    public function flush(): void
    {
        if ($this->ops === []) {
            return;
        }
        [$lines, $ops, $at] = [$this->lines, $this->ops, 0];
        [$this->lines, $this->ops] = ['', []];
        $safe = array_intersect(['push', 'kick'], $ops) === [];
        ($this->send)($lines, $safe, function (array $reply) use ($ops, &$at): void {
            $this->count($ops[$at++] ?? '', $reply);
        });
        if ($at !== count($ops)) {
            throw new CastgateException("$at replies to " . count($ops) . ' commands', 'malformed', 200, null, true);
        }
    }

    private function count(string $op, array $reply): void
    {
        $code = $reply['problem']['code'] ?? '';
        if ($reply['status'] === 200 || $code === 'unknown_client') {
            $this->done++;
            return;
        }
        $this->failed++;
        if ($this->first === null) {
            $number = $this->done + $this->failed;
            $this->first = new CastgateException("command $number, $op: " . ($reply['problem']['detail'] ?? ''), $code, $reply['status']);
        }
    }

    public function finish(): int
    {
        $this->flush();
        if ($this->first !== null) {
            $message = $this->failed === 1 ? '' : " (and {$this->failed} in all failed)";
            throw new CastgateException($this->first->getMessage() . $message, $this->first->errorCode, $this->first->status);
        }
        return $this->done;
    }
}

/** JSON whose errors are CastgateExceptions. Internal. */
final class Json
{
    public static function encode($value, int $flags = JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_SLASHES | JSON_PRESERVE_ZERO_FRACTION): string
    {
        try {
            return json_encode($value, $flags | JSON_THROW_ON_ERROR);
        } catch (\JsonException $e) {
            $code = $e->getCode() === JSON_ERROR_UTF8 ? 'invalid_utf8' : 'invalid_value';
            throw new CastgateException('cannot be encoded as JSON: ' . $e->getMessage(), $code, 0, $e);
        }
    }

    public static function decode(string $text, int $status): array
    {
        $value = json_decode($text, true);
        if (!is_array($value)) {
            throw self::malformed($status);
        }
        return $value;
    }

    public static function malformed(int $status): CastgateException
    {
        return new CastgateException("an answer with status $status that is not castgate's", 'malformed', $status, null, true);
    }
}

/**
 * Makes requests, and keeps its connections between them. Several answers may be read side by side. A forked child
 * opens connections of its own. Internal.
 */
final class Connection
{
    private const FIRST_PAUSE = 0.1; // seconds; the limit of random pauses between attempts doubles
    private const LONGEST_PAUSE = 2.0;

    private string $address;
    private string $key;
    private int $pid;
    /** @var array{connect: float, timeout: float, retries: int, retry_pushes: bool, curl: array} */
    private array $settings = ['connect' => 3.0, 'timeout' => 5.0, 'retries' => 2, 'retry_pushes' => false, 'curl' => []];
    /** @var \CurlMultiHandle|resource */
    private $multi;

    public function __construct(string $address, string $key)
    {
        $this->address = $address;
        $this->key = $key;
        $this->open();
    }

    public function serves(string $address, string $key): bool
    {
        return $this->address === $address && $this->key === $key && $this->pid === getmypid();
    }

    /** Changes settings for later requests: seconds for connecting and for an attempt, retries, options of curl. */
    public function set(array $settings): void
    {
        $this->settings = $settings + $this->settings;
    }

    /** Makes a request and returns its answer, a JSON object. A request that is safe may be made twice. */
    public function request(string $method, string $path, ?string $body, bool $safe): array
    {
        $answer = $this->begin($method, $path, $body, $safe, 'application/json', false);
        return Json::decode($answer->rest(), 200);
    }

    /** Makes a request and yields the lines of its answer as they arrive. */
    public function rows(string $method, string $path, ?string $body, bool $safe): \Generator
    {
        $answer = $this->begin($method, $path, $body, $safe, 'application/x-ndjson', true);
        try {
            $text = '';
            while (($chunk = $answer->next()) !== null) {
                $lines = explode("\n", $text . $chunk);
                $text = array_pop($lines);
                if (strlen($text) > Answer::MAX_BYTES) {
                    throw Json::malformed(200);
                }
                foreach ($lines as $line) {
                    yield Json::decode($line, 200);
                }
            }
            if ($text !== '') {
                yield Json::decode($text, 200);
            }
        } finally {
            $answer->close();
        }
    }

    /** Makes a request whose body is not JSON. */
    public function raw(string $path, string $body): array
    {
        return Json::decode($this->begin('POST', $path, $body, false, 'application/octet-stream', false)->rest(), 200);
    }

    private function open(): void
    {
        $this->pid = getmypid();
        $this->multi = curl_multi_init();
    }

    /** Makes a request, several times if necessary, until an answer with status 200 has begun. */
    private function begin(string $method, string $path, ?string $body, bool $safe, string $type, bool $lines): Answer
    {
        if ($this->pid !== getmypid()) {
            $this->open();
        }
        $limit = self::FIRST_PAUSE;
        for ($attempt = 0; ; $attempt++) {
            $answer = new Answer($this->multi, $this->options($method, $path, $body, $type, $lines), $body, $this->address, $this->settings['timeout'], $lines);
            try {
                $answer->begin();
                if (!$lines) {
                    $answer->complete(); // one that breaks off is an attempt that failed
                }
                return $answer;
            } catch (CastgateException $e) {
                $after = $answer->retryAfter();
                $answer->close();
                if ($attempt >= $this->settings['retries'] || $after > self::LONGEST_PAUSE || !$this->isRetried($e, $safe)) {
                    throw $e;
                }
            }
            usleep((int) (1e6 * ($after ?? mt_rand() / mt_getrandmax() * $limit)));
            $limit = min(2 * $limit, self::LONGEST_PAUSE);
        }
    }

    private function isRetried(CastgateException $e, bool $safe): bool
    {
        if ($e->errorCode === 'timeout' || $e->errorCode === 'deadline') {
            return false;
        }
        if ($e->status === 429 || $e->status === 503 && $e->errorCode !== 'malformed') {
            return true; // turned away
        }
        if ($e->errorCode === 'unreachable' || $e->errorCode === 'malformed' && $e->status >= 500) {
            return !$e->sent || $safe || $this->settings['retry_pushes'];
        }
        return false;
    }

    private function options(string $method, string $path, ?string $body, string $type, bool $lines): array
    {
        $unix = strncmp($this->address, 'unix:', 5) === 0;
        $base = $unix ? 'http://control' : (strpos($this->address, '://') === false ? 'http://' : '') . $this->address;
        $headers = ['Expect:', 'Transfer-Encoding:'];
        if ($body !== null) {
            $headers[] = "Content-Type: $type";
        }
        if ($lines) {
            $headers[] = 'Accept: application/x-ndjson';
        }
        if ($this->key !== '') {
            $headers[] = 'Authorization: Bearer ' . $this->key;
        }
        $options = [
            CURLOPT_URL => rtrim($base, '/') . $path,
            CURLOPT_HTTPHEADER => $headers,
            CURLOPT_HTTP_VERSION => CURL_HTTP_VERSION_1_1,
            CURLOPT_PROXY => '', // ignore http_proxy in the environment
            CURLOPT_NOSIGNAL => true,
            CURLOPT_PROTOCOLS => CURLPROTO_HTTP | CURLPROTO_HTTPS,
            CURLOPT_CONNECTTIMEOUT_MS => (int) ($this->settings['connect'] * 1000),
        ];
        if ($unix) {
            $options[CURLOPT_UNIX_SOCKET_PATH] = substr($this->address, 5);
        }
        if (defined('CURLOPT_MAXAGE_CONN')) {
            $options[CURLOPT_MAXAGE_CONN] = 30; // castgate closes connections that are idle for a minute
        }
        if ($body !== null || $method !== 'GET') {
            $options[CURLOPT_UPLOAD] = true;
            $options[CURLOPT_INFILESIZE] = strlen((string) $body);
        }
        $options[CURLOPT_CUSTOMREQUEST] = $method; // after CURLOPT_UPLOAD, which makes it PUT
        return $this->settings['curl'] + $options;
    }
}

/** One request under way, and its answer. Internal. */
final class Answer
{
    public const MAX_BYTES = 67108864; // that wait to be read, or of a line

    /** @var \CurlMultiHandle|resource */
    private $multi;
    /** @var \CurlHandle|resource|null */
    private $curl;
    private string $address;
    private float $timeout;
    private bool $extends;
    private float $deadline;
    private int $status = 0;
    private array $headers = [];
    private string $waiting = '';
    /** @var int|null a code of curl once the transfer has ended */
    private ?int $ended = null;
    /** @var array<int, array{0: mixed, 1: int}> transfers of other answers that have ended meanwhile */
    private static array $others = [];

    public function __construct($multi, array $options, ?string $body, string $address, float $timeout, bool $extends)
    {
        [$this->multi, $this->address, $this->timeout, $this->extends] = [$multi, $address, $timeout, $extends];
        $this->curl = curl_init();
        curl_setopt_array($this->curl, $options);
        $at = 0;
        // A body that curl holds itself it sends again, on a new connection, if a kept one breaks: a push twice. From
        // a function it cannot.
        curl_setopt($this->curl, CURLOPT_READFUNCTION, static function ($curl, $stream, int $most) use ($body, &$at): string {
            $piece = (string) substr((string) $body, $at, $most);
            $at += strlen($piece);
            return $piece;
        });
        curl_setopt($this->curl, CURLOPT_HEADERFUNCTION, function ($curl, string $line): int {
            [$name, $value] = explode(':', $line, 2) + [1 => ''];
            $this->headers[strtolower($name)] = trim($value);
            if (trim($line) === '' && curl_getinfo($curl, CURLINFO_RESPONSE_CODE) >= 200) {
                $this->status = curl_getinfo($curl, CURLINFO_RESPONSE_CODE);
            }
            return strlen($line);
        });
        curl_setopt($this->curl, CURLOPT_WRITEFUNCTION, function ($curl, string $chunk): int {
            $this->waiting .= $chunk;
            return strlen($this->waiting) > self::MAX_BYTES ? 0 : strlen($chunk);
        });
        $this->deadline = microtime(true) + $timeout;
        curl_multi_add_handle($multi, $this->curl);
    }

    public function __destruct()
    {
        $this->close();
    }

    /** Waits for the head of a 200; any other answer is an exception. */
    public function begin(): void
    {
        while ($this->status === 0 && $this->ended === null) {
            $this->pump();
        }
        if ($this->status === 200) {
            return;
        }
        if ($this->status === 0) {
            throw $this->broken();
        }
        $status = $this->status;
        $problem = json_decode($this->rest(), true);
        if (!is_array($problem) || !is_string($problem['code'] ?? null)) {
            throw Json::malformed($status);
        }
        throw new CastgateException((string) ($problem['detail'] ?? ''), $problem['code'], $status);
    }

    /** What has arrived since the last call, null at the end. */
    public function next(): ?string
    {
        while ($this->waiting === '' && $this->ended === null) {
            $this->pump();
        }
        $chunk = $this->waiting;
        $this->waiting = '';
        if ($chunk === '' && $this->ended !== CURLE_OK) {
            throw $this->broken();
        }
        return $chunk === '' ? null : $chunk;
    }

    /** Waits until the whole answer has arrived. */
    public function complete(): void
    {
        while ($this->ended === null && strlen($this->waiting) <= self::MAX_BYTES) {
            $this->pump();
        }
        if ($this->ended !== null && $this->ended !== CURLE_OK) {
            throw $this->broken();
        }
    }

    public function rest(): string
    {
        $text = '';
        while (($chunk = $this->next()) !== null) {
            $text .= $chunk;
            if (strlen($text) > self::MAX_BYTES) {
                throw Json::malformed($this->status);
            }
        }
        $this->close();
        return $text;
    }

    /** Seconds, null without such a header. */
    public function retryAfter(): ?float
    {
        $seconds = $this->headers['retry-after'] ?? '';
        return ctype_digit($seconds) ? (float) $seconds : null;
    }

    /** Ends the request. Its connection is kept if the answer is complete. */
    public function close(): void
    {
        if ($this->curl !== null) {
            unset(self::$others[(int) $this->curl]);
            curl_multi_remove_handle($this->multi, $this->curl);
            $this->curl = null;
        }
    }

    /** Lets curl work, on all requests of the connection, until something has happened. */
    private function pump(): void
    {
        $before = strlen($this->waiting);
        do {
            $code = curl_multi_exec($this->multi, $running);
        } while ($code === CURLM_CALL_MULTI_PERFORM);
        while (($done = curl_multi_info_read($this->multi)) !== false) {
            self::$others[(int) $done['handle']] = [$done['handle'], $done['result']];
        }
        if (isset(self::$others[(int) $this->curl])) {
            $this->ended = self::$others[(int) $this->curl][1];
        }
        $left = $this->deadline - microtime(true);
        if (strlen($this->waiting) > $before && $this->extends) {
            $this->deadline = microtime(true) + $this->timeout;
        } elseif ($this->ended === null && $left <= 0) {
            $this->ended = CURLE_OPERATION_TIMEDOUT;
        }
        if ($this->ended === null && $this->status === 0 || $this->ended === null && $this->waiting === '') {
            curl_multi_select($this->multi, max(0.0, min($left, 1.0)));
        }
    }

    private function broken(): CastgateException
    {
        $sent = $this->curl !== null && curl_getinfo($this->curl, CURLINFO_REQUEST_SIZE) > 0;
        if ($this->ended === CURLE_OPERATION_TIMEDOUT) {
            return new CastgateException("castgate's control API at $this->address has not answered within $this->timeout s", 'timeout', 0, null, $sent);
        }
        $why = curl_strerror((int) $this->ended);
        $more = $this->curl === null ? '' : curl_error($this->curl);
        return new CastgateException("castgate's control API at $this->address: " . ($more === '' ? $why : $more), 'unreachable', 0, null, $sent);
    }
}
