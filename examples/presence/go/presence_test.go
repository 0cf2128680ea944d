package main

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	castgate "github.com/castgate/castgate-go"
)

// told makes events, each written as type, client, sequence and uid.
func told(texts ...string) (events []castgate.Event) {
	for _, text := range texts {
		part := strings.Fields(text)
		sequence, _ := strconv.ParseInt(part[2], 10, 64)
		data, _ := json.Marshal(map[string]string{"uid": part[3], "instance": part[3]})
		events = append(events, castgate.Event{ID: text, Type: "castgate." + part[0], Subject: part[1], Sequence: sequence, Instance: "i", Data: data})
	}
	return events
}

func TestPresence(t *testing.T) {
	file := filepath.Join(t.TempDir(), "presence.sqlite")
	p, err := openPresence(file)
	if err != nil {
		t.Fatal(err)
	}
	there := func(context.Context) (map[string]string, error) {
		return map[string]string{"b": "bob", "d": "dora"}, nil
	}
	away := func(context.Context) (map[string]string, error) { return nil, errors.New("away") }
	for _, step := range []struct {
		events  []castgate.Event
		present func(context.Context) (map[string]string, error)
		want    string
	}{
		{told("client.connected a 1 -", "client.bound a 2 ann", "client.connected b 1 bob"), nil, "ann bob"},
		{told("client.connected a 1 -", "client.bound a 2 ann"), nil, "ann bob"}, // again
		{told("client.disconnected a 3 ann"), nil, "bob"},
		{told("client.bound a 2 ann", "client.connected a 1 ann"), nil, "bob"}, // late
		{told("client.unbound b 2 bob"), nil, ""},
		{told("client.bound b 3 bob", "client.connected c 1 cid", "something.new c 2 eve"), nil, "bob cid"},
		{told("client.connected e 1 eve", "events.lost - 0 -"), away, "bob cid"}, // all or nothing
		{told("events.lost - 0 -"), there, "bob dora"},
		{told("client.disconnected d 2 dora"), nil, "bob"},
		{told("node.lost - 0 j"), nil, "bob"},
		{told("node.lost - 0 i"), nil, ""},
	} {
		err := p.apply(t.Context(), step.events, step.present)
		if (err != nil) != (step.present != nil && step.want == "bob cid") {
			t.Error(err)
		}
		list, err := p.list(t.Context())
		if got := strings.Join(list.Names, " "); err != nil || got != step.want {
			t.Errorf("after %v: %q, want %q (%v)", step.events, got, step.want, err)
		}
	}
	again, err := openPresence(file)
	if err != nil {
		t.Fatal(err)
	}
	list, err := again.list(t.Context())
	if err != nil || !slices.Equal(list.Names, []string{}) || list.Version != 10 {
		t.Errorf("%+v, %v", list, err)
	}
}
