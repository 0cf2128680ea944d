package gatewayworker

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func text(keys [][]byte) string { return string(bytes.Join(keys, []byte("|"))) }

func TestIntKeys(t *testing.T) {
	for _, key := range []string{"1", "-1", "0", "9223372036854775807", "-9223372036854775808", "10", "-10"} {
		if !IsIntKey(key) || string(AppendKey(nil, key)) != "i:"+key+";" || string(AppendKeyValue(nil, []byte(key))) != "i:"+key+";" {
			t.Errorf("%q is no integer", key)
		}
	}
	for _, key := range []string{"01", "-0", "+1", " 1", "1 ", "1.0", "1e3", "", "-", "--1", "00", "-01", "9223372036854775808", "-9223372036854775809", "99999999999999999999", "0x1", "é"} {
		if IsIntKey(key) || string(AppendKey(nil, key)) != fmt.Sprintf("s:%d:\"%s\";", len(key), key) {
			t.Errorf("%q is an integer", key)
		}
	}
	for name, empty := range map[string]bool{"": true, "0": true, "00": false, "0.0": false, " ": false, "7": false} {
		if EmptyName(name) != empty || EmptyName([]byte(name)) != empty {
			t.Errorf("%q: not %v", name, empty)
		}
	}
}

func TestKeys(t *testing.T) {
	var d Decoder
	for ext, want := range map[string]string{
		`["a","b","a"]`:         "a|b|a",
		`{"x":"a","y":"b"}`:     "a|b",
		`{"x":"a","x":"b"}`:     "b",
		`[7,"7","07",1.9,-1]`:   "7|7|07|1|-1",
		`[true,false,null]`:     "1|0|",
		`["a",["b"],{"c":1},1]`: "a|1",
		`["\u7fa4\u7ec4","\/"]`: "群组|/",
		`5`:                     "",
		`"a"`:                   "",
		`null`:                  "",
		`["a"`:                  "",
		"":                      "",
		`["a"] x`:               "",
	} {
		got := text(d.Keys([]byte(ext)))
		if got != want {
			t.Errorf("%s: %q, expected %q", ext, got, want)
		}
	}
	if got := text(d.DistinctKeys([]byte(`["7",7,"007","x","x",true,1]`))); got != "7|007|x|1" {
		t.Errorf("distinct: %q", got)
	}
	var many []string
	for i := range 10000 {
		many = append(many, fmt.Sprintf(`"k%d"`, i%5000))
	}
	if got := d.DistinctKeys([]byte("[" + strings.Join(many, ",") + "]")); len(got) != 5000 || string(got[4999]) != "k4999" {
		t.Errorf("%d of 5000", len(got))
	}
	for i := range many { // an object with many keys, each twice
		many[i] += fmt.Sprintf(`:"v%d"`, i)
	}
	if got := d.Keys([]byte("{" + strings.Join(many, ",") + "}")); len(got) != 5000 || string(got[0]) != "v5000" {
		t.Errorf("%d of 5000, first %q", len(got), got[0])
	}
}

func TestSendToAll(t *testing.T) {
	var d Decoder
	for ext, want := range map[string]string{
		"":                                   "all",
		"nonsense":                           "all",
		"5":                                  "all",
		"[]":                                 "all",
		`{}`:                                 "all",
		`{"connections":null}`:               "all",
		`{"connections":{"1":1,"3":3}}`:      "only [1 3]",
		`{"connections":[3,"1",3,true,2.5]}`: "only [3 1 3 1 2]",
		`{"connections":[0,-1,4294967296,"x","01",null,[7],4294967295]}`: "only [4294967295]",
		`{"connections":[]}`:  "only []",
		`{"connections":5}`:   "only []",
		`{"exclude":{"1":1}}`: "all but [1]",
		`{"exclude":{"3":1,"1":false,"2":null,"01":1,"x":1,"4":{"5":1}}}`: "all but [1 3 4]",
		`{"exclude":{"1":1,"1":null}}`:                                    "all",
		`{"exclude":[9,9,null,9]}`:                                        "all but [1 3]",
		`{"exclude":"x"}`:                                                 "all",
		`{"connections":[1],"exclude":{"1":1}}`:                           "only [1]",
		`{"exclude":{"1":1},"exclude":null}`:                              "all",
	} {
		b := d.SendToAll([]byte(ext))
		got := "all"
		if b.Listed {
			got = fmt.Sprint("only ", ids(b.Only))
		} else if len(b.Exclude) > 0 {
			got = fmt.Sprint("all but ", b.Exclude)
		}
		if got != want {
			t.Errorf("%s: %s, expected %s", ext, got, want)
		}
		for _, id := range b.Exclude {
			if !b.Excludes(id) || b.Excludes(1<<31) {
				t.Errorf("%s: Excludes", ext)
			}
		}
	}
}

func TestSendToGroup(t *testing.T) {
	var d Decoder
	for ext, want := range map[string]string{
		`{"group":["room",7,"room"],"exclude":null}`:      "room|7|room but []",
		`{"group":[0,"room"],"exclude":{"2":2}}`:          "0|room but [2]",
		`{"exclude":{"2":2},"group":{"a":"x","b":["y"]}}`: "x but [2]",
		`{"group":"room"}`:                                " but []",
		`{"exclude":{"1":1}}`:                             " but [1]",
		`["room"]`:                                        " but []",
		`{"group":["room"]`:                               " but []",
		"":                                                " but []",
	} {
		b := d.SendToGroup([]byte(ext))
		if got := fmt.Sprintf("%s but %v", text(keys(b.Groups)), b.Exclude); got != want || b.Listed || ids(b.Only) != nil {
			t.Errorf("%s: %s, expected %s", ext, got, want)
		}
	}
}

func TestSelect(t *testing.T) {
	var d Decoder
	for ext, want := range map[string]string{
		`{"fields":["uid"],"where":{"connection_id":{"1":1}}}`:        "uid true 3[1]",
		`{"fields":["uid","uid","groups"],"where":[]}`:                "uid|groups false",
		`{"fields":["uid"],"where":{}}`:                               "uid false",
		`{"fields":["uid"],"where":null}`:                             "uid false",
		`{"fields":["uid"],"where":"0"}`:                              "uid false",
		`{"fields":["uid"],"where":0.0}`:                              "uid false",
		`{"fields":["uid"]}`:                                          "uid false",
		`{"fields":["uid"],"where":5}`:                                "uid true",
		`{"fields":["uid"],"where":["x"]}`:                            "uid true",
		`{"fields":[],"where":{"groups":["room",7,"none"]}}`:          " true 2room|7|none",
		`{"where":{"uid":{"k":"bob"},"groups":["g"],"other":[1]}}`:    " true 1bob 2g",
		`{"where":{"groups":5}}`:                                      " true 2",
		`[1]`:                                                         " false",
		`{"fields":["a",["b"],5]}`:                                    "a|5 false",
		`{"fields":"uid","where":{"uid":["x"],"uid":["y","\u00e9"]}}`: " true 1y|é",
	} {
		s, ok := d.Select([]byte(ext))
		got := fmt.Sprintf("%s %v", text(s.Fields), !s.All)
		for _, c := range s.Where {
			got += fmt.Sprintf(" %d%s", c.Kind, text(c.Names))
			if c.ConnectionIDs != nil {
				got += fmt.Sprint(c.ConnectionIDs)
			}
		}
		if !ok || got != want {
			t.Errorf("%s: %q, %v, expected %q", ext, got, ok, want)
		}
	}
	for _, ext := range []string{"", "0", "5", `"x"`, "null", "[]", "{}", "false", "true", "{", "nonsense"} {
		if _, ok := d.Select([]byte(ext)); ok {
			t.Errorf("%s taken", ext)
		}
	}
}

func TestAuth(t *testing.T) {
	var d Decoder
	for body, want := range map[string]string{
		`{"secret_key":"s3cret"}`:                     "\"\"true \"s3cret\"false",
		`{"worker_key":"BW:0","secret_key":""}`:       "\"BW:0\"false \"\"false",
		`{"secret_key":null}`:                         "\"\"true \"\"true",
		`{"secret_key":5,"worker_key":["x"]}`:         "\"\"true \"\"true",
		`{"secret_key":"a","secret_key":"b\"\u00e9"}`: "\"\"true \"b\\\"é\"false",
		`["secret_key"]`:                              "\"\"true \"\"true",
		``:                                            "\"\"true \"\"true",
		`{"secret_key":"a"`:                           "\"\"true \"\"true",
	} {
		a := d.Auth([]byte(body))
		if got := fmt.Sprintf("%q%v %q%v", a.WorkerKey, a.WorkerKey == nil, a.SecretKey, a.SecretKey == nil); got != want {
			t.Errorf("%s: %s, expected %s", body, got, want)
		}
	}
	if got := string(AppendAuth(nil, "BW:0", "")); got != `{"worker_key":"BW:0","secret_key":""}` {
		t.Error(got)
	}
	if got := d.Auth(AppendAuth(nil, "", "a\"\\\x01é/")); string(got.SecretKey) != "a\"\\\x01é/" || got.WorkerKey != nil {
		t.Errorf("%+v", got)
	}
}

// TestDecoderAllocations: the lists of usual commands cost none once warm.
func TestDecoderAllocations(t *testing.T) {
	var d Decoder
	uids, group := []byte(`[123,"bob","\u7fa4"]`), []byte(`["a","b"]`)
	if n := testing.AllocsPerRun(100, func() {
		if len(d.Keys(uids)) != 3 || len(d.Keys(group)) != 2 {
			t.Fatal("keys")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzDecoder: no input is too much for any reader, and what one returns is
// well formed.
func FuzzDecoder(f *testing.F) {
	for _, v := range vectors(f) {
		if v.Group == "api" && v.Direction == "client->gateway" || v.Group == "register" {
			if frame, n, _ := ParseFrame(v.bytes); n > 0 {
				f.Add(frame.Ext)
			} else {
				f.Add(v.bytes)
			}
		}
	}
	f.Add([]byte(`{"connections":[[1]],"exclude":[{"1":1}],"group":{"a":{"b":1}},"fields":{"x":[]},"where":[[]]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var d Decoder
		before := bytes.Clone(b)
		keys := slices.Clone(d.Keys(b))
		for i, key := range d.DistinctKeys(b) {
			if !slices.ContainsFunc(keys[i:], func(k []byte) bool { return bytes.Equal(k, key) }) {
				t.Errorf("%q: key %q from nowhere", b, key)
			}
		}
		all, group := d.SendToAll(b), Broadcast{}
		if all.Listed && all.Exclude != nil || slices.Contains(ids(all.Only), 0) || !slices.IsSorted(all.Exclude) {
			t.Errorf("%q: %+v", b, all)
		}
		if group = d.SendToGroup(b); group.Listed || ids(group.Only) != nil {
			t.Errorf("%q: %+v", b, group)
		}
		if s, ok := d.Select(b); len(s.Fields) > maxFields || s.All && s.Where != nil || !ok && (s.All || s.Where != nil) {
			t.Errorf("%q: %+v", b, s)
		}
		d.Auth(b)
		d.Broadcast(b)
		if l := d.RegisterLine(b); l.Address != nil && EmptyName(l.Address) {
			t.Errorf("%q: %+v", b, l)
		}
		if !bytes.Equal(b, before) {
			t.Errorf("%q was changed", before)
		}
	})
}

func ids(l List) (all []uint32) {
	l.EachID(func(id uint32) bool { all = append(all, id); return true })
	return all
}

func keys(l List) (all [][]byte) {
	l.Each(func(key []byte) bool { all = append(all, slices.Clone(key)); return true })
	return all
}
