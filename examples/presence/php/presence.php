<?php
declare(strict_types=1);

/**
 * Who is online, in a database. Events may come again, so each counts once: by its
 * sequence among those of its client. Clients that have ended are kept for a day, or
 * events that come again would bring them back.
 */
final class Presence
{
    private const KEEP_ENDED = 86400; // seconds

    private const SCHEMA = '
        CREATE TABLE IF NOT EXISTS clients (
            client_id TEXT PRIMARY KEY, instance TEXT NOT NULL, uid TEXT NOT NULL, sequence INTEGER NOT NULL, ended INTEGER NOT NULL
        );
        CREATE INDEX IF NOT EXISTS clients_by_end ON clients (ended, uid);
        CREATE TABLE IF NOT EXISTS changes (number INTEGER NOT NULL);
        INSERT INTO changes SELECT 0 WHERE NOT EXISTS (SELECT * FROM changes)';

    private SQLite3 $db;

    /** What is committed outlives a crash, of the machine too (synchronous=FULL). */
    public function __construct(string $file)
    {
        $this->db = new SQLite3($file);
        $this->db->enableExceptions(true);
        $this->db->busyTimeout(5000);
        $this->db->exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL');
        $this->db->exec('BEGIN IMMEDIATE;' . self::SCHEMA . ';COMMIT');
    }

    /** @return array{type: string, version: int, names: list<string>} what pages are told */
    public function list(): array
    {
        $this->db->exec('BEGIN'); // version and names of the same moment
        $version = $this->db->querySingle('SELECT number FROM changes');
        $rows = $this->db->query("SELECT DISTINCT uid FROM clients WHERE ended = 0 AND uid != '' ORDER BY uid");
        for ($names = []; $row = $rows->fetchArray(SQLITE3_NUM);) {
            $names[] = $row[0];
        }
        $this->db->exec('COMMIT');
        return ['type' => 'online', 'version' => $version, 'names' => $names];
    }

    /**
     * Takes events down, all or none.
     *
     * @param list<array<string, mixed>> $events
     * @param callable(): iterable<array<string, mixed>> $present who is there, asked where events are lost
     */
    public function apply(array $events, callable $present): void
    {
        $this->db->exec('BEGIN IMMEDIATE');
        try {
            foreach ($events as $event) {
                $this->note($event, $present);
            }
            $this->run('DELETE FROM clients WHERE ended BETWEEN 1 AND ?', time() - self::KEEP_ENDED);
            $this->db->exec('UPDATE changes SET number = number + 1; COMMIT');
        } catch (Throwable $e) {
            $this->db->exec('ROLLBACK');
            throw $e;
        }
    }

    /** @param array<string, mixed> $event */
    private function note(array $event, callable $present): void
    {
        $data = $event['data'];
        $uid = $data['uid'] ?? '';
        $ended = 0;
        switch ($event['type']) {
            case 'castgate.client.connected':
            case 'castgate.client.bound':
            case 'castgate.client.message':
                break;
            case 'castgate.client.unbound':
                $uid = '';
                break;
            case 'castgate.client.disconnected':
                $ended = time();
                break;
            case 'castgate.node.lost':
                $this->run('UPDATE clients SET ended = ? WHERE instance = ? AND ended = 0', time(), $data['instance']);
                return;
            case 'castgate.events.lost':
            case 'castgate.node.back':
                $this->reconcile($present);
                return;
            default:
                return;
        }
        $this->run(
            'INSERT INTO clients VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE
                SET uid = excluded.uid, sequence = excluded.sequence, ended = excluded.ended WHERE excluded.sequence > sequence',
            $event['subject'],
            $event['instance'],
            $uid,
            $event['sequence'],
            $ended,
        );
    }

    /** Takes over who is there now. Events that are on their way still come behind it. */
    private function reconcile(callable $present): void
    {
        $this->run('UPDATE clients SET ended = ? WHERE ended = 0', time());
        foreach ($present() as $row) {
            $this->run(
                "INSERT INTO clients VALUES (?, '', ?, 0, 0) ON CONFLICT DO UPDATE SET uid = excluded.uid, ended = 0",
                $row['client_id'],
                $row['uid'] ?? '',
            );
        }
    }

    private function run(string $sql, string|int ...$values): void
    {
        $statement = $this->db->prepare($sql);
        foreach ($values as $i => $value) {
            $statement->bindValue($i + 1, $value);
        }
        $statement->execute();
    }
}
