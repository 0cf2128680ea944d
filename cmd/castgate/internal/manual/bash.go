package manual

import (
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"
)

// Bash writes completions for bash: commands and flags; for anything else, files.
func Bash(w io.Writer, app *kong.Application) error {
	var b strings.Builder
	b.WriteString(`# Completions of castgate for bash: made by castgate completion bash.
_castgate() {
	local current=${COMP_WORDS[COMP_CWORD]} path= word known i
	for ((i = 1; i < COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		case "$path $word" in
`)
	var paths []string
	for path := range commands(app) {
		if path != "" {
			paths = append(paths, `" `+path+`"`)
		}
	}
	fmt.Fprintf(&b, "\t\t%s) path=\"$path $word\" ;;\n", strings.Join(paths, " | "))
	b.WriteString("\t\tesac\n\tdone\n\tcase \"$path\" in\n")
	for path, n := range commands(app) {
		var words []string
		for _, child := range visible(n.Children) {
			words = append(words, child.Name)
		}
		for _, f := range flagsOf(app, n) {
			words = append(words, "--"+f.Name)
		}
		if path != "" {
			path = " " + path
		}
		fmt.Fprintf(&b, "\t%q) known=%q ;;\n", path, strings.Join(words, " "))
	}
	b.WriteString(`	esac
	COMPREPLY=($(compgen -W "$known" -- "$current"))
}
complete -o default -F _castgate castgate
`)
	_, err := io.WriteString(w, b.String())
	return err
}
