package verbs

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"castgate/cmd/castgate/internal/client"
	"castgate/cmd/castgate/internal/process"
)

// ndjson is the media type for one JSON value per line.
const ndjson = "application/x-ndjson"

// A batch is divided into requests of at most this size, well below the default
// of control-max-body. A single longer command is sent alone.
const (
	batchBytes    = 256 << 10
	batchCommands = 1000
)

// batchCommand is `castgate batch`.
type batchCommand struct{ client.Connection }

// Run sends the commands on stdin in order and prints one reply per line. A
// reply that is an error is printed like the others; the program then exits
// with 1 once all commands have run.
func (c *batchCommand) Run(p *process.Process) error {
	cl, err := c.Open(p)
	if err != nil {
		return err
	}
	var pending bytes.Buffer
	lines, failed := 0, 0
	flush := func() error {
		if lines == 0 {
			return nil
		}
		n, err := sendBatch(cl, p.Stdout, pending.Bytes())
		failed += n
		lines = 0
		pending.Reset()
		return err
	}
	in := bufio.NewScanner(p.Stdin)
	in.Buffer(make([]byte, 0, 64<<10), inputLimit)
	for in.Scan() {
		line := bytes.TrimSpace(in.Bytes())
		if len(line) == 0 {
			continue
		}
		if lines == batchCommands || lines > 0 && pending.Len()+len(line) > batchBytes {
			if err := flush(); err != nil {
				return err
			}
		}
		pending.Write(line)
		pending.WriteByte('\n')
		lines++
	}
	if err := in.Err(); err != nil {
		return fmt.Errorf("stdin: %w", err)
	}
	if err := flush(); err != nil {
		return err
	}
	if failed > 0 {
		return fmt.Errorf("%d of the commands failed", failed)
	}
	return nil
}

// sendBatch runs commands, one per line, copies the replies to w and counts
// those that are errors.
func sendBatch(cl *client.Client, w io.Writer, commands []byte) (failed int, err error) {
	resp, err := cl.Send(client.Request{
		Method: http.MethodPost, Path: "/v1/batch",
		Body: commands, ContentType: ndjson, Accept: ndjson,
	})
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	replies := bufio.NewReader(resp.Body)
	for {
		line, err := replies.ReadBytes('\n')
		if len(bytes.TrimSpace(line)) > 0 {
			var reply struct{ Status int }
			if json.Unmarshal(line, &reply) != nil || reply.Status >= 400 {
				failed++
			}
			if _, err := fmt.Fprintf(w, "%s\n", bytes.TrimSpace(line)); err != nil {
				return failed, err
			}
		}
		if err == io.EOF {
			return failed, nil
		}
		if err != nil {
			return failed, err
		}
	}
}

// jsonObject checks that text is one JSON object.
func jsonObject(text []byte) (json.RawMessage, error) {
	var object map[string]json.RawMessage
	if err := json.Unmarshal(text, &object); err != nil || object == nil {
		return nil, fmt.Errorf("not a JSON object")
	}
	return text, nil
}
