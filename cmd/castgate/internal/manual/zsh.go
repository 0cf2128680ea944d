package manual

import (
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"
)

// Zsh writes completions for zsh: commands and flags with what they do; for anything
// else, files.
func Zsh(w io.Writer, app *kong.Application) error {
	var b strings.Builder
	b.WriteString(`#compdef castgate
# Completions of castgate for zsh: made by castgate completion zsh.
_castgate() {
	local path= word
	local -a known
	for word in ${words[2,CURRENT-1]}; do
		case "$path $word" in
`)
	for path := range commands(app) {
		if path != "" {
			fmt.Fprintf(&b, "\t\t%s) path=\"$path $word\" ;;\n", quoted(" "+path))
		}
	}
	b.WriteString("\t\tesac\n\tdone\n\tcase \"$path\" in\n")
	for path, n := range commands(app) {
		if path != "" {
			path = " " + path
		}
		fmt.Fprintf(&b, "\t%s) known=(\n", quoted(path))
		for _, child := range visible(n.Children) {
			fmt.Fprintf(&b, "\t\t%s\n", quoted(child.Name+":"+firstSentence(child.Help)))
		}
		for _, f := range flagsOf(app, n) {
			fmt.Fprintf(&b, "\t\t%s\n", quoted("--"+f.Name+":"+firstSentence(f.Help)))
		}
		b.WriteString("\t) ;;\n")
	}
	b.WriteString("\tesac\n\t_describe castgate known || _files\n}\ncompdef _castgate castgate\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// quoted is text as one word of a shell, whatever is in it.
func quoted(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }
