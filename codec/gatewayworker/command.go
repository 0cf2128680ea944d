package gatewayworker

// Command is the byte that says what a frame is for (section 3).
type Command byte

// The commands. All go to the gateway except the events (1, 3, 4, 205) and
// Ping, which go to a worker.
const (
	OnConnect            Command = 1
	OnMessage            Command = 3
	OnClose              Command = 4
	SendToOne            Command = 5
	SendToAll            Command = 6
	Kick                 Command = 7
	Destroy              Command = 8
	UpdateSession        Command = 9
	AllSessions          Command = 10
	IsOnline             Command = 11
	BindUID              Command = 12
	UnbindUID            Command = 13
	SendToUID            Command = 14
	ClientsOfUID         Command = 15
	ClientsOfUIDs        Command = 16
	JoinGroup            Command = 20
	LeaveGroup           Command = 21
	SendToGroup          Command = 22
	SessionsOfGroup      Command = 23
	CountOfGroup         Command = 24
	SelectClients        Command = 25
	Groups               Command = 26
	Ungroup              Command = 27
	CountsOfGroups       Command = 28
	WorkerConnect        Command = 200
	Ping                 Command = 201
	GatewayClientConnect Command = 202
	SessionOfClient      Command = 203
	SetSession           Command = 204
	OnWebSocketConnect   Command = 205
)

// commandNames are the names used in docs/gatewayworker-protocol.md.
var commandNames = map[Command]string{
	OnConnect: "ON_CONNECT", OnMessage: "ON_MESSAGE", OnClose: "ON_CLOSE", SendToOne: "SEND_TO_ONE", SendToAll: "SEND_TO_ALL",
	Kick: "KICK", Destroy: "DESTROY", UpdateSession: "UPDATE_SESSION", AllSessions: "GET_ALL_CLIENT_SESSIONS", IsOnline: "IS_ONLINE",
	BindUID: "BIND_UID", UnbindUID: "UNBIND_UID", SendToUID: "SEND_TO_UID", ClientsOfUID: "GET_CLIENT_ID_BY_UID",
	ClientsOfUIDs: "BATCH_GET_CLIENT_ID_BY_UID", JoinGroup: "JOIN_GROUP", LeaveGroup: "LEAVE_GROUP", SendToGroup: "SEND_TO_GROUP",
	SessionsOfGroup: "GET_CLIENT_SESSIONS_BY_GROUP", CountOfGroup: "GET_CLIENT_COUNT_BY_GROUP", SelectClients: "SELECT",
	Groups: "GET_GROUP_ID_LIST", Ungroup: "UNGROUP", CountsOfGroups: "BATCH_GET_CLIENT_COUNT_BY_GROUP", WorkerConnect: "WORKER_CONNECT",
	Ping: "PING", GatewayClientConnect: "GATEWAY_CLIENT_CONNECT", SessionOfClient: "GET_SESSION_BY_CLIENT_ID", SetSession: "SET_SESSION",
	OnWebSocketConnect: "ON_WEBSOCKET_CONNECT",
}

// Known reports whether c is a command of section 3.
func (c Command) Known() bool { return commandNames[c] != "" }

// String is the name in docs/gatewayworker-protocol.md, or "UNKNOWN".
func (c Command) String() string {
	if name := commandNames[c]; name != "" {
		return name
	}
	return "UNKNOWN"
}

// Query reports whether c is always answered with exactly one reply (section
// 0.4).
func (c Command) Query() bool {
	switch c {
	case AllSessions, IsOnline, ClientsOfUID, ClientsOfUIDs, SessionsOfGroup, CountOfGroup, SelectClients, Groups, CountsOfGroups, SessionOfClient:
		return true
	}
	return false
}
