<?php
/** Makes the calls of a file of jobs and prints a line with the outcome of each: e2e/clientvectors_test.go runs it. */

declare(strict_types=1);

require __DIR__ . '/check.php';
require __DIR__ . '/../Castgate.php';

use Castgate\CastgateException;
use Castgate\Client;
use Castgate\Events;
use Castgate\Message;

spl_autoload_register(static function (string $class): void {
    require __DIR__ . '/../src/' . str_replace('\\', '/', substr($class, strlen('Castgate\\'))) . '.php';
});

function client(array $job): Client
{
    $options = $job['options'] ?? [];
    if (isset($options['ca'])) {
        $options['curl'] = [CURLOPT_CAINFO => $options['ca'], CURLOPT_SSLCERT => $options['cert'], CURLOPT_SSLKEY => $options['cert_key']];
        unset($options['ca'], $options['cert'], $options['cert_key']);
    }
    return new Client($job['address'], $job['key'], $options);
}

/** Arrays of JSON objects, but empty objects stay objects where a message or session holds them. */
function message(array $args, ?stdClass $raw): Message
{
    if (isset($args['text'])) {
        return Message::text($args['text']);
    }
    return isset($args['base64']) ? Message::binary(base64_decode($args['base64'])) : Message::json($raw->json);
}

function options(array $args): array
{
    return array_intersect_key($args, ['exclude' => 1, 'wait' => 1, 'code' => 1, 'reason' => 1, 'text' => 1]);
}

function command($target, string $call, array $args, stdClass $raw)
{
    $members = array_intersect_key($args, ['client_ids' => 1, 'uids' => 1]);
    switch ($call) {
        case 'bind':
            return $target->bind($args['client_id'], $args['uid'], $args['groups'] ?? [], isset($args['exclusive']));
        case 'unbind':
            return isset($args['uids']) ? $target->unbindUids($args['uids']) : $target->unbind($args['client_id']);
        case 'join':
        case 'leave':
            return $target->$call($args['groups'], $members);
        case 'ungroup':
            return $target->ungroup($args['groups']);
        case 'push':
            return $target->push($args['to'], message($args, $raw), options($args));
        case 'kick':
            return $target->kick($args['to'], options($args));
        case 'put_session':
            return $target->putSession($args['client_id'], (array) $raw->session);
        case 'patch_session':
            return $target->patchSession($args['client_id'], (array) ($raw->patch ?? $raw->session));
        default:
            return $target->$call(array_diff_key($args, ['op' => 1]));
    }
}

function carryOut(Client $gateway, string $call, array $args, stdClass $raw)
{
    switch ($call) {
        case 'verify':
            return Events::verify($args['headers'], $args['body'], $args['secrets'], $args['now'] ?? null);
        case 'stats':
            return $gateway->stats($args['cluster'] ?? false);
        case 'reload':
        case 'ready':
        case 'nodes':
            return $gateway->$call();
        case 'event_page':
            return $gateway->eventPage($args);
        case 'dead_events':
            return $gateway->deadEvents();
        case 'replay':
            return $gateway->replay($args);
        case 'client':
            return $gateway->client($args['client_id']);
        case 'push_raw':
            return $gateway->pushRaw($args['to'], message($args, null), options($args));
        case 'clients':
        case 'uids':
        case 'groups':
        case 'events':
            return iterator_to_array($gateway->$call($args), false);
        case 'client_page':
        case 'uid_page':
        case 'group_page':
            $page = substr($call, 0, -5) . 'Page';
            return $gateway->$page($args);
        case 'batch':
            $batch = $gateway->batch();
            foreach ($args['commands'] as $i => $fields) {
                command($batch, $fields['op'], $fields, $raw->commands[$i]);
            }
            return array_map(static function ($reply): array {
                return $reply instanceof CastgateException ? ['error' => failure($reply)] : ['value' => $reply];
            }, $batch->send());
    }
    return command($gateway, $call, $args, $raw);
}

function failure(CastgateException $e): array
{
    return ['code' => $e->errorCode, 'status' => $e->status, 'detail' => $e->getMessage(), 'sent' => $e->sent];
}

$text = file_get_contents($argv[1]);
$raws = json_decode($text);
$clients = [];
foreach (json_decode($text, true) as $i => $job) {
    usleep(1000 * $job['pause']);
    $name = json_encode([$job['address'], $job['key'], $job['options']]);
    $clients[$name] ??= client($job);
    try {
        $outcome = ['value' => carryOut($clients[$name], $job['call'], $job['args'], $raws[$i]->args)];
    } catch (CastgateException $e) {
        $outcome = ['error' => failure($e)];
    }
    echo json_encode(['name' => $job['name']] + $outcome, JSON_UNESCAPED_UNICODE | JSON_PRESERVE_ZERO_FRACTION | JSON_THROW_ON_ERROR), "\n";
}
