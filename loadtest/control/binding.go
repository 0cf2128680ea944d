package control

import (
	"strconv"
)

// Binding is one client's bind command.
type Binding struct {
	ClientID string   `json:"client_id"`
	UID      string   `json:"uid"`
	Groups   []string `json:"groups,omitempty"`
}

// UID is the uid of the connection with this number (Config.First counts).
func UID(number int) string { return "loadtest-" + strconv.Itoa(number) }

// GroupName is the name of the group with this number.
func GroupName(number int) string { return "loadtest-" + strconv.Itoa(number) }

// BindingOf is the binding of the connection with this number.
func BindingOf(number int, clientID string, groups int) Binding {
	b := Binding{ClientID: clientID, UID: UID(number)}
	if groups > 0 {
		b.Groups = []string{GroupName(number % groups)}
	}
	return b
}
