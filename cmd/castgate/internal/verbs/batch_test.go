package verbs

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"castgate/cmd/castgate/internal/process"
)

// fakeBatch answers each command with its own text and a status, which is 404
// for commands that contain "bad". requests counts the commands of each
// request.
func fakeBatch(t *testing.T) (address string, requests *[]int) {
	t.Helper()
	requests = &[]int{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/batch" || r.Header.Get("Content-Type") != ndjson || r.Header.Get("Accept") != ndjson {
			http.Error(w, "not a batch", http.StatusBadRequest)
			return
		}
		body, _ := io.ReadAll(r.Body)
		lines := strings.Split(strings.TrimSuffix(string(body), "\n"), "\n")
		*requests = append(*requests, len(lines))
		for _, line := range lines {
			status := 200
			if strings.Contains(line, "bad") {
				status = 404
			}
			fmt.Fprintf(w, "{\"status\":%d,\"of\":%d}\n", status, len(line))
		}
	}))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String(), requests
}

func TestBatch(t *testing.T) {
	address, requests := fakeBatch(t)
	code, out, errs := runVerb([]string{"batch", "--control", address}, nil, "{\"op\":\"a\"}\n\n  {\"op\":\"bb\"}  \n{\"op\":\"ccc\"}")
	if want := "{\"status\":200,\"of\":10}\n{\"status\":200,\"of\":11}\n{\"status\":200,\"of\":12}\n"; code != 0 || out != want || errs != "" {
		t.Errorf("exit %d, stdout %q, stderr %q; want %q", code, out, errs, want)
	}
	if len(*requests) != 1 {
		t.Errorf("%d requests", len(*requests))
	}
	code, out, errs = runVerb([]string{"batch", "--control", address}, nil, "{\"op\":\"bad\"}\n{\"op\":\"b\"}\n")
	if code != process.ExitFailed || strings.Count(out, "\n") != 2 || errs != "castgate: 1 of the commands failed\n" {
		t.Errorf("exit %d, stdout %q, stderr %q", code, out, errs)
	}
	if code, out, _ = runVerb([]string{"batch", "--control", address}, nil, "\n"); code != 0 || out != "" {
		t.Errorf("nothing on stdin: exit %d, stdout %q", code, out)
	}
}

func TestLongBatchIsCut(t *testing.T) {
	address, requests := fakeBatch(t)
	stdin := strings.Repeat("{\"op\":\"x\"}\n", 2*batchCommands+1) + "{\"op\":\"" + strings.Repeat("y", batchBytes) + "\"}\n{\"op\":\"z\"}\n"
	code, out, errs := runVerb([]string{"batch", "--control", address}, nil, stdin)
	if code != 0 || strings.Count(out, "\n") != 2*batchCommands+3 {
		t.Errorf("exit %d, %d replies, stderr %q", code, strings.Count(out, "\n"), errs)
	}
	if got := fmt.Sprint(*requests); got != "[1000 1000 1 1 1]" {
		t.Errorf("requests of %s commands", got)
	}
}
