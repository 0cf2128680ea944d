<?php

declare(strict_types=1);

namespace Castgate;

/**
 * The verbs that are commands: by themselves in Client, where the answer comes back, and in Batch, where it comes with
 * send(). Lists of names may be empty, which names nobody.
 */
trait Commands
{
    abstract protected function command(string $op, array $fields, bool $safe);

    /**
     * Makes a client one of a uid's connections, and joins it to groups. $kickOld closes the uid's other connections
     * with 4001. The error unknown_client says that the client has left meanwhile.
     *
     * @param list<string> $groups
     * @return array{previous_uid: ?string, kicked: int}
     */
    public function bind(string $clientId, string $uid, array $groups = [], bool $kickOld = false)
    {
        $fields = ['client_id' => $clientId, 'uid' => $uid];
        if ($groups !== []) {
            $fields['groups'] = self::names($groups);
        }
        return $this->command('bind', $kickOld ? $fields + ['exclusive' => 'kick_old'] : $fields, !$kickOld);
    }

    /** @return array{previous_uid: ?string, unbound: int} */
    public function unbind(string $clientId)
    {
        return $this->command('unbind', ['client_id' => $clientId], true);
    }

    /**
     * @param list<string> $uids
     * @return array{previous_uid: ?string, unbound: int}
     */
    public function unbindUids(array $uids)
    {
        return $this->command('unbind', ['uids' => self::names($uids)], true);
    }

    /**
     * @param list<string> $groups
     * @param array{client_ids?: list<string>, uids?: list<string>} $members
     * @return array{changed: int, unknown_client_ids: list<string>}
     */
    public function join(array $groups, array $members)
    {
        return $this->command('join', ['groups' => self::names($groups)] + self::lists($members), true);
    }

    /**
     * @param list<string> $groups
     * @param array{client_ids?: list<string>, uids?: list<string>} $members
     * @return array{changed: int, unknown_client_ids: list<string>}
     */
    public function leave(array $groups, array $members)
    {
        return $this->command('leave', ['groups' => self::names($groups)] + self::lists($members), true);
    }

    /**
     * @param list<string> $groups
     * @return array{changed: int}
     */
    public function ungroup(array $groups)
    {
        return $this->command('ungroup', ['groups' => self::names($groups)], true);
    }

    /**
     * Sends a message; a string is a text message. It is not an error if nobody is there.
     *
     * @param array{client_ids?: list<string>, uids?: list<string>, groups?: list<string>, all?: bool} $to
     * @param Message|string $message
     * @param array{exclude?: array{client_ids?: list<string>, uids?: list<string>}, wait?: bool} $options
     * @return array{matched: int, queued: int, dropped: int, written?: int}
     */
    public function push(array $to, $message, array $options = [])
    {
        $message = $message instanceof Message ? $message : Message::text($message);
        $fields = ['to' => self::targets($to)] + $message->field + self::exclusions($options);
        return $this->command('push', empty($options['wait']) ? $fields : $fields + ['wait' => 'written'], false);
    }

    /**
     * Closes clients after what is queued for them.
     *
     * @param array{client_ids?: list<string>, uids?: list<string>, groups?: list<string>, all?: bool} $to
     * @param array{code?: int, reason?: string, text?: string, exclude?: array} $options
     * @return array{kicked: int}
     */
    public function kick(array $to, array $options = [])
    {
        $fields = array_intersect_key($options, ['code' => 1, 'reason' => 1, 'text' => 1]);
        return $this->command('kick', ['to' => self::targets($to)] + $fields + self::exclusions($options), false);
    }

    /**
     * @param array{client_ids?: list<string>, uids?: list<string>} $names
     * @return array{client_ids: array<string, bool>, uids: array<string, int>}
     */
    public function online(array $names)
    {
        return $this->command('online', self::lists($names), true);
    }

    /**
     * @param array{groups?: list<string>, uids?: list<string>} $names
     * @return array{groups: array<string, int>, uids: array<string, int>}
     */
    public function counts(array $names)
    {
        return $this->command('counts', self::lists($names), true);
    }

    /** @return list<string> */
    private static function names(array $names): array
    {
        return array_map('strval', array_values($names));
    }

    private static function lists(array $lists): array
    {
        return array_map([self::class, 'names'], $lists);
    }

    /** @return array|\stdClass without a target an object, not a list */
    private static function targets(array $to)
    {
        $all = empty($to['all']) ? [] : ['all' => true];
        unset($to['all']);
        $targets = self::lists($to) + $all;
        return $targets === [] ? new \stdClass() : $targets;
    }

    private static function exclusions(array $options): array
    {
        return empty($options['exclude']) ? [] : ['exclude' => self::lists($options['exclude'])];
    }
}
