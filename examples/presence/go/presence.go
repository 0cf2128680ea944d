package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"strings"
	"time"

	castgate "github.com/castgate/castgate-go"
	_ "modernc.org/sqlite" // the driver "sqlite"
)

// presence is who is online, in a database. Events may come again, so each counts
// once: by its sequence among those of its client. Clients that have ended are kept
// for keepEnded, or events that come again would bring them back.
type presence struct{ db *sql.DB }

const keepEnded = 24 * time.Hour

const schema = `
CREATE TABLE IF NOT EXISTS clients (
	client_id TEXT PRIMARY KEY, instance TEXT NOT NULL, uid TEXT NOT NULL, sequence INTEGER NOT NULL, ended INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS clients_by_end ON clients (ended, uid);
CREATE TABLE IF NOT EXISTS changes (number INTEGER NOT NULL);
INSERT INTO changes SELECT 0 WHERE NOT EXISTS (SELECT * FROM changes)`

// openPresence opens the database. What is committed outlives a crash, of the machine
// too (synchronous=FULL).
func openPresence(file string) (*presence, error) {
	db, err := sql.Open("sqlite", "file:"+file+"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(5000)&_txlock=immediate")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1) // one writer: SQLite has no more
	_, err = db.Exec(schema)
	return &presence{db}, err
}

// list is what pages are told.
type list struct {
	Type    string   `json:"type"`
	Version int64    `json:"version"`
	Names   []string `json:"names"`
}

// list returns who is online.
func (p *presence) list(ctx context.Context) (l list, err error) {
	l = list{Type: "online", Names: []string{}}
	rows, err := p.db.QueryContext(ctx, `SELECT number, '' FROM changes UNION ALL SELECT * FROM
		(SELECT DISTINCT 0, uid FROM clients WHERE ended = 0 AND uid != '' ORDER BY uid)`)
	if err != nil {
		return l, err
	}
	defer rows.Close()
	for rows.Next() {
		var number int64
		var name string
		if err := rows.Scan(&number, &name); err != nil {
			return l, err
		}
		if name == "" {
			l.Version = number
			continue
		}
		l.Names = append(l.Names, name)
	}
	return l, rows.Err()
}

// apply takes events down, all or none. present is asked where events are lost.
func (p *presence) apply(ctx context.Context, events []castgate.Event, present func(context.Context) (map[string]string, error)) error {
	tx, err := p.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // nothing is left to roll back after a commit
	for i := range events {
		if err := note(ctx, tx, &events[i], present); err != nil {
			return err
		}
	}
	now := time.Now()
	_, err = tx.ExecContext(ctx, `DELETE FROM clients WHERE ended BETWEEN 1 AND ?`, now.Add(-keepEnded).Unix())
	_, second := tx.ExecContext(ctx, `UPDATE changes SET number = number + 1`)
	return errors.Join(err, second, tx.Commit())
}

// note takes an event down.
func note(ctx context.Context, tx *sql.Tx, e *castgate.Event, present func(context.Context) (map[string]string, error)) error {
	var data struct {
		UID      string `json:"uid"`
		Instance string `json:"instance"`
	}
	if err := json.Unmarshal(e.Data, &data); err != nil {
		return err
	}
	ended, uid := int64(0), data.UID
	switch kind := strings.TrimPrefix(e.Type, "castgate."); kind {
	case "client.connected", "client.bound", "client.message":
	case "client.unbound":
		uid = ""
	case "client.disconnected":
		ended = time.Now().Unix()
	case "node.lost":
		_, err := tx.ExecContext(ctx, `UPDATE clients SET ended = ? WHERE instance = ? AND ended = 0`, time.Now().Unix(), data.Instance)
		return err
	case "events.lost", "node.back":
		return reconcile(ctx, tx, present)
	default:
		return nil
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO clients VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE
		SET uid = excluded.uid, sequence = excluded.sequence, ended = excluded.ended WHERE excluded.sequence > sequence`,
		e.Subject, e.Instance, uid, e.Sequence, ended)
	return err
}

// reconcile takes over who is there now. Events that are on their way still come
// behind it.
func reconcile(ctx context.Context, tx *sql.Tx, present func(context.Context) (map[string]string, error)) error {
	uids, err := present(ctx)
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `UPDATE clients SET ended = ? WHERE ended = 0`, time.Now().Unix()); err != nil {
		return err
	}
	for id, uid := range uids {
		if _, err := tx.ExecContext(ctx, `INSERT INTO clients VALUES (?, '', ?, 0, 0)
			ON CONFLICT DO UPDATE SET uid = excluded.uid, ended = 0`, id, uid); err != nil {
			return err
		}
	}
	return nil
}
