<?php
/**
 * Every call of GatewayClient, in an order in which each builds on those before, with what GatewayClient returns
 * against a PHP gateway (codec/gatewayworker/testdata/vectors.json, group api). Run for Castgate\Gateway by calls.php, and
 * for the inner protocol by e2e/testdata/gatewayclient.php.
 */

declare(strict_types=1);

/**
 * @param string $g      the class whose static methods are called
 * @param bool   $exact  results in the very order of PHP, raw frames and opaque sessions: what only the inner protocol has
 * @param list<string> $clients three client ids, in the order of their connecting
 */
function scenario(string $g, bool $exact, array $clients): void
{
    [$a, $b, $c] = $clients;
    $off = substr($a, 0, 12) . '000003e7'; // no such client, at the same gateway
    $foreign = '7f0000010001' . '00000001'; // of another gateway
    $steps = array_merge(
        sending($a, $c, $off, $foreign),
        binding($a, $b, $c, $off),
        grouping($a, $b, $c),
        sessions($a, $b, $c, $off),
        listings($a, $b, $c),
        groups($a, $b, $c, $foreign),
        $exact ? [['sendToAll', ["\x81\x02ok", null, null, true], null]] : [],
        endings($a, $b, $c)
    );
    foreach ($steps as [$call, $arguments, $want]) {
        $got = $g::$call(...$arguments);
        $shown = $call . '(' . substr(json_encode($arguments, JSON_UNESCAPED_UNICODE | JSON_INVALID_UTF8_SUBSTITUTE), 1, -1) . ')';
        $exact ? Check::same($shown, $got, $want) : Check::sameSet($shown, $got, $want);
    }
}

function sending(string $a, string $c, string $off, string $foreign): array
{
    return [
        ['sendToAll', ['hello'], null],
        ['sendToAll', ['m1', [$a, $c]], null],
        ['sendToAll', ['m2', [$a, $c], [$c]], null],
        ['sendToAll', ['nobody', []], null],
        ['sendToAll', ['m3', null, [$a]], null],
        ['sendToAll', ['m4', null, $a], null],
        ['sendToAll', ['m5', null, [$foreign]], null],
        ['sendToAll', [['type' => 'x', 'n' => 1]], null],
        ['sendToAll', [['中/' => 1.5]], null],
        ['sendToAll', [5], null],
        ['sendToAll', [null], null],
        ['sendToAll', [true], null],
        ['sendToAll', [''], null],
        ['sendToClient', [$a, 'one'], true],
        ['sendToClient', [$off, 'one'], true],
        ['isOnline', [$a], 1],
        ['isOnline', [$off], 0],
    ];
}

function binding(string $a, string $b, string $c, string $off): array
{
    return [
        ['bindUid', [$a, 123], null],
        ['bindUid', [$b, 'bob'], null],
        ['bindUid', [$c, '123'], null],
        ['bindUid', [$c, ''], null],
        ['bindUid', [$c, 0], null],
        ['bindUid', [$off, 'ghost'], null],
        ['getClientIdByUid', [123], [$a, $c]],
        ['getClientIdByUid', ['nobody'], []],
        ['getClientIdByUid', ['ghost'], []],
        ['getClientIdByUid', [''], []],
        ['batchGetClientIdByUid', [[123, 'bob', 'nobody']], [123 => [$a, $c], 'bob' => [$b], 'nobody' => []]],
        ['batchGetClientIdByUid', [[]], []],
        ['batchGetClientIdByUid', [['a' => 'bob']], ['bob' => [$b]]],
        ['isUidOnline', ['bob'], 1],
        ['isUidOnline', ['x'], 0],
        ['isUidsOnline', [['bob', 'x', 123]], ['bob' => 1, 'x' => 0, 123 => 1]],
        ['sendToUid', ['bob', 'to bob'], null],
        ['sendToUid', [[123, 'bob', 'zz'], 'to many'], null],
        ['sendToUid', [['bob', 'bob'], 'dup'], null],
        ['sendToUid', [[], 'x'], null],
        ['sendToUid', ['', 'x'], null],
        ['sendToUid', [0, 'x'], null],
        ['sendToUid', [['k' => 'bob'], 'assoc'], null],
        ['getUidByClientId', [$a], '123'],
        ['getUidByClientId', [$off], null],
    ];
}

function grouping(string $a, string $b, string $c): array
{
    return [
        ['joinGroup', [$a, 'room'], null],
        ['joinGroup', [$b, 'room'], null],
        ['joinGroup', [$b, 7], null],
        ['joinGroup', [$b, 0], null],
        ['joinGroup', [$b, ''], null],
        ['joinGroup', [$c, '群组'], null],
        ['getClientCountByGroup', ['room'], 2],
        ['getClientCountByGroup', [7], 1],
        ['getClientCountByGroup', ['none'], 0],
        ['getClientCountByGroup', [''], 3],
        ['getClientCountByGroup', [0], 0],
        ['getClientIdCountByGroup', ['room'], 2],
        ['getAllClientIdCount', [], 3],
        ['getAllClientCount', [], 3],
        ['batchGetClientIdCountByGroup', [['room', 7, 'none']], ['room' => 2, 7 => 1, 'none' => 0]],
    ];
}

function sessions(string $a, string $b, string $c, string $off): array
{
    $tom = ['name' => 'tom', 'n' => 1, 'f' => 0.1, 'l' => [1, 2, 3], 'deep' => ['a' => ['b' => 1]], 'nul' => null, 't' => true];
    $update = ['n' => 2, 'l' => [9], 'deep' => ['a' => ['c' => 2]], 'nul' => ['x' => 1], 'new' => 'v', 5 => 'five'];
    $merged = ['name' => 'tom', 'n' => 2, 'f' => 0.1, 'l' => [9, 2, 3], 'deep' => ['a' => ['b' => 1, 'c' => 2]],
        'nul' => ['x' => 1], 't' => true, 'new' => 'v', 5 => 'five'];
    return [
        ['getAllClientSessions', [], [$a => [], $b => [], $c => []]],
        ['setSession', [$a, $tom], null],
        ['getSession', [$a], $tom],
        ['getSession', [$b], []],
        ['getSession', [$off], null],
        ['updateSession', [$a, $update], null],
        ['getSession', [$a], $merged],
        ['updateSession', [$b, ['first' => 1]], null],
        ['getSession', [$b], ['first' => 1]],
        ['updateSession', [$b, ['second' => ['x' => 'y']]], null],
        ['getSession', [$b], ['first' => 1, 'second' => ['x' => 'y']]],
        ['setSession', [$b, []], null],
        ['getSession', [$b], []],
        ['setSession', [$off, ['x' => 1]], null],
        ['updateSession', [$off, ['x' => 1]], null],
        ['updateSession', [$off, ['x' => [1]]], null],
        ['getAllClientSessions', [], [$a => $merged, $b => [], $c => []]],
        ['getAllClientSessions', ['room'], [$a => $merged, $b => []]],
        ['getClientSessionsByGroup', ['room'], [$a => $merged, $b => []]],
        ['getClientSessionsByGroup', ['none'], []],
        ['getClientSessionsByGroup', [''], []],
        ['getAllClientInfo', [], [$a => $merged, $b => [], $c => []]],
        ['getClientInfoByGroup', ['room'], [$a => $merged, $b => []]],
    ];
}

function listings(string $a, string $b, string $c): array
{
    $ab = [$a => $a, $b => $b];
    $uids = [123 => '123', 'bob' => 'bob'];
    return [
        ['getClientIdListByGroup', ['room'], $ab],
        ['getClientIdListByGroup', [['room', 7, 'none']], $ab],
        ['getClientIdListByGroup', ['none'], []],
        ['getAllClientIdList', [], $ab + [$c => $c]],
        ['getUidListByGroup', ['room'], $uids],
        ['getUidCountByGroup', [['room', '群组']], 2],
        ['getAllUidList', [], $uids],
        ['getAllUidCount', [], 2],
        ['getAllGroupIdList', [], ['room' => 'room', 7 => 7, '群组' => '群组']],
        ['getAllGroupUidList', [], ['room' => $uids, 7 => ['bob' => 'bob'], '群组' => [123 => '123']]],
        ['getAllGroupUidCount', [], ['room' => 2, 7 => 1, '群组' => 1]],
        ['getAllGroupClientIdList', [], ['room' => $ab, 7 => [$b => $b], '群组' => [$c => $c]]],
        ['getAllGroupClientIdCount', [], ['room' => 2, 7 => 1, '群组' => 1]],
    ];
}

function groups(string $a, string $b, string $c, string $foreign): array
{
    return [
        ['sendToGroup', ['room', 'g'], null],
        ['sendToGroup', [7, 'g7'], null],
        ['sendToGroup', [['room', 7], 'gg'], null],
        ['sendToGroup', ['room', 'gx', [$a]], null],
        ['sendToGroup', ['room', 'gy', $a], null],
        ['sendToGroup', ['room', 'gz', [$foreign]], null],
        ['sendToGroup', [[0, 'room'], 'g0'], null],
        ['sendToGroup', ['', 'x'], false],
        ['sendToGroup', [0, 'x'], false],
        ['sendToGroup', [[], 'x'], false],
        ['leaveGroup', [$b, 7], null],
        ['getAllGroupIdList', [], ['room' => 'room', '群组' => '群组']],
        ['leaveGroup', [$c, 'room'], null],
        ['leaveGroup', [$c, ''], null],
        ['getAllGroupClientIdList', [], ['room' => [$a => $a, $b => $b], '群组' => [$c => $c]]],
        ['ungroup', ['room'], null],
        ['ungroup', [''], false],
        ['getAllGroupIdList', [], ['群组' => '群组']],
        // PHP stops at the first client without a group and answers []: docs/gatewayworker-protocol.md section 8.4.
        ['getAllGroupClientIdList', [], ['群组' => [$c => $c]]],
        ['bindUid', [$b, 'bob2'], null],
        ['getClientIdByUid', ['bob'], []],
        ['unbindUid', [$b, 'whatever'], null],
        ['getUidByClientId', [$b], null],
        ['getAllUidList', [], [123 => '123']],
        ['setSocketSession', [$c, 'a:1:{s:1:"o";i:1;}'], true],
        ['getSession', [$c], ['o' => 1]],
        ['setSocketSession', [$a, ''], true],
        ['getSession', [$a], []],
        ['sendToAll', ['the end'], null],
    ];
}

function endings(string $a, string $b, string $c): array
{
    return [
        ['closeClient', [$a, 'bye'], true],
        ['closeClient', [$b], true],
        ['destoryClient', [$c], true],
        ['closeClient', [$a, 'bye'], true],
        ['sendToClient', [$a, 'too late'], true],
        ['getAllUidList', [], []],
        ['getAllGroupIdList', [], []],
        ['getAllClientSessions', [], []],
        ['getAllClientIdCount', [], 0],
    ];
}
