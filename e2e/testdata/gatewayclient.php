<?php
/**
 * Every call of GatewayClient over the inner protocol, written from docs/gatewayworker-protocol.md section 8: the
 * Register is asked for the list, and each command travels on a connection of its own, after the key if there is
 * one, and is written and closed at once.
 *
 *     gatewayclient.php REGISTER SECRET scenario ID ID ID
 *     gatewayclient.php REGISTER SECRET order ID ID           bind and query, join, send and leave, 300 times
 *     gatewayclient.php REGISTER SECRET call METHOD JSON      one call with a list of arguments; prints the result as JSON
 *     gatewayclient.php REGISTER SECRET vectors GATEWAY       the calls of gatewayclient_calls.json; prints each result
 */

declare(strict_types=1);

require __DIR__ . '/inner.php';
require __DIR__ . '/../../clients/php/tests/check.php';
require __DIR__ . '/../../clients/php/tests/scenario.php';

final class InnerGateway
{
    public static string $register = '';
    public static string $secret = '';

    private static array $list = [];
    private static float $listed = 0;

    public static function sendToAll($message, $ids = null, $exclude = null, $raw = false)
    {
        if ($ids !== null) {
            foreach (self::byAddress(array_diff($ids, (array) $exclude)) as $address => $numbers) {
                self::send($address, frame(6, 0, json_encode(['connections' => $numbers]), $message, $raw));
            }
            return;
        }
        $excluded = self::byAddress((array) $exclude);
        foreach (self::addresses() as $address) {
            $ext = isset($excluded[$address]) ? json_encode(['exclude' => $excluded[$address]]) : '';
            self::send($address, frame(6, 0, $ext, $message, $raw));
        }
    }

    public static function sendToClient($id, $message)
    {
        return self::sendOne($id, 5, '', $message);
    }

    public static function sendToUid($uid, $message)
    {
        self::sendAll(frame(14, 0, json_encode(is_array($uid) ? $uid : [$uid]), $message));
    }

    public static function sendToGroup($group, $message, $exclude = null, $raw = false)
    {
        if (empty($group)) {
            return false;
        }
        $excluded = self::byAddress((array) $exclude);
        foreach (self::addresses() as $address) {
            $ext = json_encode(['group' => (array) $group, 'exclude' => $excluded[$address] ?? null]);
            self::send($address, frame(22, 0, $ext, $message, $raw));
        }
    }

    public static function bindUid($id, $uid)
    {
        self::sendOne($id, 12, empty($uid) ? '' : (string) $uid);
    }

    public static function unbindUid($id, $uid)
    {
        self::sendOne($id, 13, empty($uid) ? '' : (string) $uid);
    }

    public static function joinGroup($id, $group)
    {
        self::sendOne($id, 20, empty($group) ? '' : (string) $group);
    }

    public static function leaveGroup($id, $group)
    {
        self::sendOne($id, 21, empty($group) ? '' : (string) $group);
    }

    public static function ungroup($group)
    {
        if (empty($group)) {
            return false;
        }
        self::sendAll(frame(27, 0, (string) $group));
    }

    public static function closeClient($id, $message = null)
    {
        return self::sendOne($id, 7, '', $message);
    }

    public static function destoryClient($id)
    {
        return self::sendOne($id, 8);
    }

    public static function setSession($id, array $session)
    {
        self::sendOne($id, 204, serialize($session));
    }

    public static function updateSession($id, array $session)
    {
        self::sendOne($id, 9, serialize($session));
    }

    public static function setSocketSession($id, $bytes)
    {
        return self::sendOne($id, 204, $bytes);
    }

    public static function getSession($id)
    {
        return self::askOne($id, 203);
    }

    public static function isOnline($id)
    {
        return self::askOne($id, 11);
    }

    public static function isUidOnline($uid)
    {
        return (int) (self::getClientIdByUid($uid) !== []);
    }

    public static function isUidsOnline(array $uids)
    {
        return array_map(static function (array $ids): int { return (int) ($ids !== []); }, self::batchGetClientIdByUid($uids));
    }

    public static function getClientIdByUid($uid)
    {
        $ids = [];
        foreach (self::askAll(15, (string) $uid) as $address => $numbers) {
            foreach ($numbers as $number) {
                $ids[] = clientId($address, $number);
            }
        }
        return $ids;
    }

    public static function batchGetClientIdByUid(array $uids)
    {
        $list = [];
        foreach (self::askAll(16, json_encode($uids)) as $address => $byUid) {
            foreach ($byUid as $uid => $numbers) {
                $list[$uid] = $list[$uid] ?? [];
                foreach ($numbers as $number) {
                    $list[$uid][] = clientId($address, $number);
                }
            }
        }
        return $list;
    }

    public static function getUidByClientId($id)
    {
        [$address, $number] = partsOf($id);
        $ext = json_encode(['fields' => ['uid'], 'where' => ['connection_id' => [$number => $number]]]);
        return self::ask($address, 25, 0, $ext)[$number]['uid'] ?? null;
    }

    public static function getClientCountByGroup($group = '')
    {
        return array_sum(self::askAll(24, (string) $group));
    }

    public static function getClientIdCountByGroup($group = '')
    {
        return self::getClientCountByGroup($group);
    }

    public static function getAllClientIdCount()
    {
        return self::getClientCountByGroup();
    }

    public static function getAllClientCount()
    {
        return self::getClientCountByGroup();
    }

    public static function batchGetClientIdCountByGroup(array $groups)
    {
        $counts = [];
        foreach (self::askAll(28, json_encode($groups)) as $byGroup) {
            foreach ($byGroup as $group => $count) {
                $counts[$group] = ($counts[$group] ?? 0) + $count;
            }
        }
        return $counts;
    }

    public static function getAllClientSessions($group = '')
    {
        $sessions = [];
        foreach (empty($group) ? self::askAll(10) : self::askAll(23, (string) $group) as $address => $byNumber) {
            foreach ($byNumber as $number => $bytes) {
                $sessions[clientId($address, $number)] = $bytes === '' ? [] : unserialize($bytes);
            }
        }
        return $sessions;
    }

    public static function getAllClientInfo($group = '')
    {
        return self::getAllClientSessions($group);
    }

    public static function getClientSessionsByGroup($group)
    {
        return empty($group) ? [] : self::getAllClientSessions($group);
    }

    public static function getClientInfoByGroup($group)
    {
        return self::getClientSessionsByGroup($group);
    }

    public static function getClientIdListByGroup($group)
    {
        return self::idsOf(self::select(['uid'], ['groups' => (array) $group]));
    }

    public static function getAllClientIdList()
    {
        return self::idsOf(self::select(['uid'], []));
    }

    public static function getUidListByGroup($group)
    {
        return self::uidsOf(self::select(['uid'], ['groups' => (array) $group]));
    }

    public static function getUidCountByGroup($group)
    {
        return count(self::getUidListByGroup($group));
    }

    public static function getAllUidList()
    {
        return self::uidsOf(self::select(['uid'], []));
    }

    public static function getAllUidCount()
    {
        return count(self::getAllUidList());
    }

    public static function getAllGroupIdList()
    {
        $groups = [];
        foreach (self::askAll(26) as $list) {
            foreach ($list as $group) {
                $groups[$group] = $group;
            }
        }
        return $groups;
    }

    /** Stops at the first client without a uid or a group, as GatewayClient does: section 8.4. */
    public static function getAllGroupUidList()
    {
        $list = [];
        foreach (self::select(['uid', 'groups'], []) as $rows) {
            foreach ($rows as $row) {
                if (empty($row['uid']) || empty($row['groups'])) {
                    break;
                }
                foreach ($row['groups'] as $group) {
                    $list[$group][$row['uid']] = $row['uid'];
                }
            }
        }
        return $list;
    }

    public static function getAllGroupUidCount()
    {
        return array_map('count', self::getAllGroupUidList());
    }

    public static function getAllGroupClientIdList()
    {
        $list = [];
        foreach (self::select(['groups'], []) as $address => $rows) {
            foreach ($rows as $number => $row) {
                if (empty($row['groups'])) {
                    break;
                }
                foreach ($row['groups'] as $group) {
                    $id = clientId($address, $number);
                    $list[$group][$id] = $id;
                }
            }
        }
        return $list;
    }

    public static function getAllGroupClientIdCount()
    {
        return array_map('count', self::getAllGroupClientIdList());
    }

    private static function select(array $fields, array $where): array
    {
        return self::askAll(25, json_encode(['fields' => $fields, 'where' => $where]));
    }

    private static function idsOf(array $replies): array
    {
        $ids = [];
        foreach ($replies as $address => $rows) {
            foreach ($rows as $number => $row) {
                $id = clientId($address, $number);
                $ids[$id] = $id;
            }
        }
        return $ids;
    }

    private static function uidsOf(array $replies): array
    {
        $uids = [];
        foreach ($replies as $rows) {
            foreach ($rows as $row) {
                if (!empty($row['uid'])) {
                    $uids[$row['uid']] = $row['uid'];
                }
            }
        }
        return $uids;
    }

    /** address => (connection id => connection id) */
    private static function byAddress(array $ids): array
    {
        $list = [];
        foreach ($ids as $id) {
            [$address, $number] = partsOf($id);
            $list[$address][$number] = $number;
        }
        return $list;
    }

    /** The Register's list, kept for a second; an empty one is an error. */
    private static function addresses(): array
    {
        if (self::$list === [] || microtime(true) - self::$listed > 1) {
            self::$list = gateways(self::$register, self::$secret);
            self::$listed = microtime(true);
        }
        if (self::$list === []) {
            throw new RuntimeException('the Register knows no gateway');
        }
        return self::$list;
    }

    private static function sendOne($id, int $command, string $ext = '', $body = ''): bool
    {
        [$address, $number] = partsOf($id);
        return self::send($address, frame($command, $number, $ext, $body));
    }

    private static function sendAll(string $frame): void
    {
        foreach (self::addresses() as $address) {
            self::send($address, $frame);
        }
    }

    private static function send(string $address, string $frame): bool
    {
        $socket = stream_socket_client("tcp://$address", $errno, $error, 3);
        $bytes = authentication(self::$secret) . $frame;
        $written = fwrite($socket, $bytes);
        fclose($socket);
        return $written === strlen($bytes);
    }

    private static function askOne($id, int $command)
    {
        [$address, $number] = partsOf($id);
        return self::ask($address, $command, $number, '');
    }

    private static function ask(string $address, int $command, int $id, string $ext)
    {
        $socket = stream_socket_client("tcp://$address", $errno, $error, 3);
        stream_set_timeout($socket, 30);
        fwrite($socket, authentication(self::$secret) . frame($command, $id, $ext));
        $value = reply($socket);
        fclose($socket);
        if ($value === false) {
            throw new RuntimeException("no reply to command $command");
        }
        return $value;
    }

    /** address => reply */
    private static function askAll(int $command, string $ext = ''): array
    {
        $replies = [];
        foreach (self::addresses() as $address) {
            $replies[$address] = self::ask($address, $command, 0, $ext);
        }
        return $replies;
    }
}

/** Makes the calls behind the vectors: @1 is client 1 at the gateway, hex: begins bytes. */
function vectors(string $gateway): void
{
    foreach (json_decode(file_get_contents(__DIR__ . '/gatewayclient_calls.json'), true) as [$name, $call, $arguments]) {
        array_walk_recursive($arguments, static function (&$value) use ($gateway): void {
            if (is_string($value) && strncmp($value, '@', 1) === 0) {
                $value = clientId($gateway, (int) substr($value, 1));
            } elseif (is_string($value) && strncmp($value, 'hex:', 4) === 0) {
                $value = hex2bin(substr($value, 4));
            }
        });
        echo $name, "\t", preg_replace('/\s+/', ' ', var_export(InnerGateway::$call(...$arguments), true)), "\n";
    }
}

[, InnerGateway::$register, InnerGateway::$secret, $what] = $argv;
$arguments = array_slice($argv, 4);

if ($what === 'call') {
    echo json_encode(InnerGateway::{$arguments[0]}(...json_decode($arguments[1], true))), "\n";
    exit;
}
if ($what === 'vectors') {
    vectors($arguments[0]);
    exit;
}
if ($what === 'scenario') {
    scenario(InnerGateway::class, true, $arguments);
} elseif ($what === 'order') {
    // Nothing is acknowledged: each step relies on the connection before it having been served first.
    $stale = 0;
    for ($i = 0; $i < 300; $i++) {
        InnerGateway::bindUid($arguments[0], "uid $i");
        $stale += InnerGateway::getClientIdByUid("uid $i") === [$arguments[0]] ? 0 : 1;
        InnerGateway::joinGroup($arguments[1], 'moment');
        InnerGateway::sendToGroup('moment', "moment $i");
        InnerGateway::leaveGroup($arguments[1], 'moment');
    }
    Check::same('stale answers', $stale, 0);
} else {
    throw new InvalidArgumentException($what);
}
Check::finish();
