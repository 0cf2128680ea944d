package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"castgate/internal/wstest"
)

// runShell makes the calls by the program's own verbs, as a shell script does.
func runShell(t *testing.T, jobs []clientJob) []clientResult {
	t.Helper()
	var results []clientResult
	for _, job := range jobs {
		arguments, stdin := shellCall(job)
		cmd := wstest.Command(t, append(arguments, "--control", job.Address, "--control-key", job.Key)...)
		for option, flag := range map[string]string{"ca": "--ca-file", "cert": "--client-cert", "cert_key": "--client-key"} {
			if value, ok := job.Options[option].(string); ok {
				cmd.Args = append(cmd.Args, flag, value)
			}
		}
		if seconds, ok := job.Options["timeout"].(float64); ok {
			cmd.Args = append(cmd.Args, "--timeout", fmt.Sprintf("%gs", seconds))
		}
		var out, errors bytes.Buffer
		cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &errors
		result := clientResult{Name: job.Name}
		if err := cmd.Run(); err != nil && (job.Call != "batch" || out.Len() == 0) {
			result.Error = shellError(errors.String())
		} else {
			result.Value = shellValue(job.Call, out.String())
		}
		results = append(results, result)
	}
	return results
}

// shellError reads "detail (code, status)", as the program ends its errors.
func shellError(text string) M {
	found := regexp.MustCompile(`\((\w+), (\d+)\)\s*$`).FindStringSubmatch(text)
	if found == nil {
		return M{"code": text}
	}
	status, _ := strconv.Atoi(found[2]) // it is digits
	return M{"code": found[1], "status": float64(status), "detail": strings.TrimPrefix(text[:strings.LastIndex(text, " (")], "castgate: "), "sent": false}
}

// shellValue reads what a verb prints: an object, or one a line.
func shellValue(call, out string) any {
	rows := []any{}
	for line := range strings.Lines(out) {
		var row any
		if json.Unmarshal([]byte(line), &row) == nil {
			rows = append(rows, row)
		}
	}
	if slices.Contains(shellListings, call) {
		return rows
	}
	if call == "batch" {
		for i, row := range rows {
			reply, _ := row.(M)
			if problem, ok := reply["problem"]; ok {
				rows[i] = M{"error": problem}
			} else {
				rows[i] = M{"value": reply["body"]}
			}
		}
		return rows
	}
	var value any
	_ = json.Unmarshal([]byte(out), &value) // else it stays nil, which is not what is wanted
	return value
}

var (
	shellListings = []string{"clients", "uids", "groups"}
	shellWithout  = []string{"ready", "verify", "events", "dead_events", "replay"}
)

// shellCall is the command line of a call, and its input.
func shellCall(job clientJob) (arguments []string, stdin string) {
	names := func(flag string, list any) {
		all, _ := list.([]any)
		for _, name := range all {
			arguments = append(arguments, flag+"="+fmt.Sprint(name))
		}
	}
	one := func(flag string, value any) {
		if value != nil {
			arguments = append(arguments, flag+"="+fmt.Sprint(value))
		}
	}
	a := job.Args
	arguments = strings.Split(job.Call, "_")
	if job.Call == "put_session" || job.Call == "patch_session" {
		arguments = []string{"session", strings.TrimSuffix(job.Call, "_session")}
		value := a["session"]
		if value == nil {
			value = a["patch"]
		}
		text, _ := json.Marshal(value) // it has been read from JSON
		return append(arguments, fmt.Sprint(a["client_id"]), string(text)), ""
	}
	one("--client", a["client_id"])
	one("--uid", a["uid"])
	one("--group", a["group"])
	one("--limit", a["limit"])
	if to, ok := a["to"].(M); ok {
		names("--client", to["client_ids"])
		names("--uid", to["uids"])
		names("--group", to["groups"])
		if to["all"] == true {
			arguments = append(arguments, "--all")
		}
	}
	names("--client", a["client_ids"])
	names("--uid", a["uids"])
	names("--group", a["groups"])
	if x, ok := a["exclude"].(M); ok {
		names("--exclude-client", x["client_ids"])
		names("--exclude-uid", x["uids"])
	}
	one("--text", a["text"])
	if value, ok := a["json"]; ok {
		text, _ := json.Marshal(value) // it has been read from JSON
		one("--json", string(text))
	}
	one("--base64", a["base64"])
	if a["wait"] == true {
		arguments = append(arguments, "--wait")
	}
	if a["exclusive"] != nil {
		arguments = append(arguments, "--kick-old")
	}
	if slices.Contains(shellListings, job.Call) {
		arguments = append(arguments, "--ndjson")
	}
	if commands, ok := a["commands"].([]any); ok {
		for _, command := range commands {
			text, _ := json.Marshal(command) // it has been read from JSON
			stdin += string(text) + "\n"
		}
	}
	return arguments, stdin
}

// shellLacks says why the program does not do what a vector shows.
func shellLacks(v *clientVector) string {
	switch {
	case v.Options != nil || v.Refused || len(v.Exchanges) > 0 || v.Then != nil || v.Error["code"] == "unreachable" || v.Error["code"] == "malformed":
		return "it makes one attempt, and says what went wrong in words"
	case v.Args["cluster"] != nil || v.Call == "push_raw" || strings.HasSuffix(v.Call, "_page") || slices.Contains(shellWithout, v.Call):
		return "it has no such verb"
	case v.Args["base64"] != nil:
		return "bytes come from its input"
	case v.Call == "kick":
		return "it names the clients beside the code, which the API takes too"
	case v.Call == "batch" && v.Request == nil:
		return "an empty input is an error"
	}
	to, _ := v.Args["to"].(M)
	if list, ok := to["uids"].([]any); ok && len(list) == 0 {
		return "a list that is empty cannot be given"
	}
	return ""
}

// TestShellLacksLittle: the vectors that the shell leaves out are few.
func TestShellLacksLittle(t *testing.T) {
	ran := 0
	for _, v := range readVectors(t).Vectors {
		if shellLacks(v) == "" {
			ran++
		}
	}
	if ran < 25 {
		t.Errorf("only %d vectors run in the shell", ran)
	}
}
