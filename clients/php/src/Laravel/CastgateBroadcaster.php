<?php

declare(strict_types=1);

namespace Castgate\Laravel;

use Castgate\CastgateException;
use Castgate\Client;
use Castgate\Message;
use Illuminate\Broadcasting\BroadcastException;
use Illuminate\Broadcasting\Broadcasters\Broadcaster;
use Illuminate\Broadcasting\Broadcasters\UsePusherChannelConventions;
use Illuminate\Support\Arr;
use Symfony\Component\HttpKernel\Exception\AccessDeniedHttpException;
use Symfony\Component\HttpKernel\Exception\BadRequestHttpException;
use Symfony\Component\HttpKernel\Exception\NotFoundHttpException;

/**
 * Laravel's broadcasting over castgate: a channel is a group, with the same name. A page asks /broadcasting/auth to join
 * a channel, with its client_id as socket_id; if the application's routes/channels.php lets it, it is joined by that very
 * request. An event arrives as {"event": ..., "channels": [...], "data": {...}}.
 */
final class CastgateBroadcaster extends Broadcaster
{
    use UsePusherChannelConventions;

    private Client $gateway;

    public function __construct(Client $gateway)
    {
        $this->gateway = $gateway;
    }

    /**
     * Lets a page join a channel. Public channels are open to all.
     *
     * @param \Illuminate\Http\Request $request
     * @return array{channel: string, user_info?: mixed}
     */
    public function auth($request)
    {
        $channel = (string) $request->input('channel_name');
        if ($channel === '' || (string) $request->input('socket_id') === '') {
            throw new BadRequestHttpException('channel_name or socket_id is missing');
        }
        if (!$this->isGuardedChannel($channel)) {
            return $this->validAuthenticationResponse($request, true);
        }
        $name = $this->normalizeChannelName($channel);
        if (!$this->retrieveUser($request, $name)) {
            throw new AccessDeniedHttpException();
        }
        return $this->verifyUserCanAccessChannel($request, $name);
    }

    /**
     * @param \Illuminate\Http\Request $request
     * @param mixed $result of the closure in routes/channels.php: true, or for a presence channel what others may know
     */
    public function validAuthenticationResponse($request, $result)
    {
        $channel = (string) $request->input('channel_name');
        try {
            $joined = $this->gateway->join([$channel], ['client_ids' => [(string) $request->input('socket_id')]]);
        } catch (CastgateException $e) {
            throw new BroadcastException($e->getMessage(), 0, $e);
        }
        if ($joined['unknown_client_ids'] !== []) {
            throw new NotFoundHttpException('the client has left meanwhile');
        }
        return ['channel' => $channel] + (is_array($result) ? ['user_info' => $result] : []);
    }

    /**
     * Sends an event. With toOthers() the sender's page is left out, by the client_id in its X-Socket-ID header.
     *
     * @param array $channels
     * @param string $event
     */
    public function broadcast(array $channels, $event, array $payload = [])
    {
        $socket = Arr::pull($payload, 'socket');
        $names = $this->formatChannels($channels);
        if ($names === []) {
            return;
        }
        $message = Message::json(['event' => $event, 'channels' => $names, 'data' => (object) $payload]);
        try {
            $this->gateway->push(['groups' => $names], $message, $socket === null ? [] : ['exclude' => ['client_ids' => [$socket]]]);
        } catch (CastgateException $e) {
            throw new BroadcastException($e->getMessage(), 0, $e);
        }
    }
}
