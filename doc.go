// Package castgate is the root of the module and holds no code: README.md
// shows what the program does, ARCHITECTURE.md how it is built. Its tests hold
// the rules of the house.
package castgate
