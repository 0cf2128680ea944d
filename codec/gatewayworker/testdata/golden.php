<?php
// Writes golden.json: what PHP itself makes of queries, sessions, values and
// keys. Run by hand: php golden.php 300 > golden.json (the bytes are hex).
error_reporting(0);
mt_srand(20260101);
$n = (int)($argv[1] ?? 300);
$out = [];

function pick(array $from) { return $from[mt_rand(0, count($from) - 1)]; }

$pieces = ['a', 'b', 'a', '[', ']', '[]', '[x]', '[0]', '[7]', '[-3]', '=', '=', '&', '&', '.', '+', ' ', '%20', '%5B', '%5D', '%00', '%', '%4', '%c3%a9', '0', '07', '-1', '1', 'é', ';', '_', '[ ]', '[a.b]', "\t", 'a=1&a[b]=2&', 'x[]=1&x[]=2&', '%26', '%3D'];
for ($i = 0; $i < $n; $i++) {
    $q = '';
    for ($k = mt_rand(1, 12); $k > 0; $k--) {
        $q .= pick($pieces);
    }
    parse_str($q, $r);
    $out['query'][] = [bin2hex($q), bin2hex(serialize($r))];
}

function scalar() {
    switch (mt_rand(0, 9)) {
        case 0: return null;
        case 1: return (bool)mt_rand(0, 1);
        case 2: return mt_rand(-5, 5);
        case 3: return mt_rand();
        case 4: return pick([0.1, 1.5, -0.0, 1e25, 1e-7, 1e15, 1e17, 123456789012345678.0, 1 / 3, 0.1 + 0.2, 0.0001, 0.00001, 2.5e-8, 99999999999999.9]);
        case 5: return (float)mt_rand(-1000, 1000) / 8;
        case 6: return pick(['', '0', 'é', '/', "\u{2028}", "\x01\n\"\\", "\x7f", '{"a":1}', 'a:0:{}']);
        case 7: return (object)['p' => mt_rand(0, 3), 'q' => [1, 2]];
        default: return 'v' . mt_rand(0, 9);
    }
}
function a_key() { return pick(['a', 'b', 'c', 0, 1, 2, '3', '03', -1, '', 'é', '9223372036854775807', '9223372036854775808']); }
function arr(int $depth) {
    $a = [];
    $list = mt_rand(0, 1);
    for ($k = mt_rand(0, 4); $k > 0; $k--) {
        $v = $depth > 0 && mt_rand(0, 2) > 0 ? arr($depth - 1) : scalar();
        if ($list) {
            $a[] = $v;
        } else {
            $a[a_key()] = $v;
        }
    }
    return $a;
}
function copied($v) { return unserialize(serialize($v)); }
for ($i = 0; $i < $n; $i++) {
    $old = arr(3);
    $new = arr(3);
    $out['merge'][] = [bin2hex(serialize($old)), bin2hex(serialize($new)), bin2hex(serialize(array_replace_recursive($old, $new)))];
}
for ($i = 0; $i < $n; $i++) {
    $v = mt_rand(0, 1) ? arr(3) : scalar();
    $s = serialize($v);
    $back = unserialize($s, ['allowed_classes' => false]);
    $text = is_scalar($back) ? (string)$back : json_encode($back, JSON_UNESCAPED_UNICODE);
    $out['text'][] = [bin2hex($s), $text === false ? null : bin2hex($text)];
}
// Shared objects and references: compared as JSON, as our output has none.
function shared(int $depth) {
    $a = arr($depth);
    $refs = [];
    walk($a, $refs);
    $objects = [(object)['p' => 1], (object)['q' => [1, 2]]];
    for ($k = mt_rand(1, 3); $k > 0; $k--) {
        if (mt_rand(0, 1) && $refs) {
            $a['ref' . $k] = &$refs[mt_rand(0, count($refs) - 1)];
        } else {
            $a['obj' . $k] = pick($objects);
        }
    }
    return $a;
}
function walk(array &$a, array &$refs) {
    foreach ($a as &$v) {
        if (is_array($v)) {
            walk($v, $refs);
        }
        $refs[] = &$v;
    }
}
function plain($v) { return json_encode(unserialize(serialize($v), ['allowed_classes' => false]), JSON_UNESCAPED_UNICODE); }
for ($i = 0; $i < $n; $i++) {
    $old = shared(2);
    $new = shared(1);
    $os = serialize($old);
    $ns = serialize($new);
    $text = plain(array_replace_recursive(unserialize($os), unserialize($ns)));
    if ($text !== false) {
        $out['shared'][] = [bin2hex($os), bin2hex($ns), bin2hex($text)];
    }
}
$json = ['[1,"1","01",true,false,null,1.7,-1.7,1e3,1e19,-1e19,1e30,-0,0.5,[1],{"a":1},"é","\u00e9","\ud83d\ude00","a\/b"]',
    '{"a":"x","b":"y","a":"z"}', '{"5":"x"}', '[]', '{}', '', ' ', 'null', '"x"', '5', '[1,]', '[01]', '[1.]', '["\ud83d"]', '["\udc00"]', "[\"\xff\"]", "[\"\x01\"]", "[\"\x7f\"]",
    '[TRUE]', "\xEF\xBB\xBF[1]", " \t\r\n[ 1 , 2 ] \n", "[1]\0", "[1]x", '[1 2]', '{"a" 1}', '{a:1}', '{"":"v"}', '[9223372036854775807,9223372036854775808,-9223372036854775808,-9223372036854775809]', '["\u0000"]', '[1e400]', '[-]', '[.5]', '[+1]', "[\"\xed\xa0\x80\"]", '["\x41"]', '["\u12g4"]', '{"a":{"b":"c"}}', '{"a":"1","b":["2"],"c":"3"}',
    str_repeat('[', 511) . str_repeat(']', 511), str_repeat('[', 512) . str_repeat(']', 512)];
foreach ($json as $j) {
    $v = json_decode($j, true);
    $keys = null;
    if (json_last_error() === JSON_ERROR_NONE) {
        $keys = [];
        foreach (is_array($v) ? $v : [] as $item) {
            if (!is_array($item)) {
                $a = [];
                $a[$item] = 1;
                $keys[] = bin2hex((string)key_of($a));
            }
        }
    }
    $out['keys'][] = [bin2hex($j), $keys];
}
function key_of(array $a) { foreach ($a as $k => $_) { return $k; } }
echo json_encode($out), "\n";
