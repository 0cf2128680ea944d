<?php

declare(strict_types=1);

namespace Castgate;

/** Commands that are sent in few requests, in order. Those that fail stop no others. */
final class Batch
{
    use Commands;

    private Connection $connection;
    private int $maxCommands;
    private int $maxBody;
    /** @var list<array{0: string, 1: bool}> lines, and whether they may be sent twice */
    private array $lines = [];

    /** Use Client::batch. */
    public function __construct(Connection $connection, int $maxCommands, int $maxBody)
    {
        $this->connection = $connection;
        $this->maxCommands = $maxCommands;
        $this->maxBody = $maxBody;
    }

    public function putSession(string $clientId, array $session): self
    {
        return $this->command('put_session', ['client_id' => $clientId, 'session' => (object) $session], true);
    }

    public function patchSession(string $clientId, array $patch): self
    {
        return $this->command('patch_session', ['client_id' => $clientId, 'session' => (object) $patch], true);
    }

    /** How many commands send will send. */
    public function count(): int
    {
        return count($this->lines);
    }

    /**
     * Sends the commands and empties the batch. There is a reply for each command, in order: the array of its answer,
     * or a CastgateException, which is not thrown. What is thrown concerns a whole request.
     *
     * @return list<array|CastgateException>
     */
    public function send(): array
    {
        [$lines, $this->lines] = [$this->lines, []];
        $replies = [];
        while ($lines !== []) {
            $count = $size = 0;
            while ($count < min(count($lines), $this->maxCommands) && ($count === 0 || $size + strlen($lines[$count][0]) <= $this->maxBody)) {
                $size += strlen($lines[$count++][0]);
            }
            $some = array_splice($lines, 0, $count);
            $safe = !in_array(false, array_column($some, 1), true);
            $got = 0;
            foreach ($this->connection->rows('POST', '/v1/batch', implode('', array_column($some, 0)), $safe) as $reply) {
                $replies[] = self::reply($reply);
                $got++;
            }
            if ($got !== $count) {
                throw Json::malformed(200);
            }
        }
        return $replies;
    }

    protected function command(string $op, array $fields, bool $safe)
    {
        $this->lines[] = [Json::encode(['op' => $op] + $fields) . "\n", $safe];
        return $this;
    }

    private static function reply(array $reply)
    {
        if (($reply['status'] ?? 0) === 200 && is_array($reply['body'] ?? null)) {
            return $reply['body'];
        }
        if (!isset($reply['status'], $reply['problem']['code'])) {
            throw Json::malformed(200);
        }
        return new CastgateException((string) ($reply['problem']['detail'] ?? ''), $reply['problem']['code'], $reply['status']);
    }
}
