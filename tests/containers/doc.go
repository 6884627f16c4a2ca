// Package containers runs the platform's images as people run them: with Docker Compose, on a Docker
// engine of its own. `make test-containers` runs it, and `make test` does not: it needs root and minutes.
//
// Three processes are one after another the same program, and SIDECART_CONTAINERS says which one:
//
//	start   on the machine: makes the sandbox, waits, cleans up, and compares the machine with before (sandbox.go)
//	init    process 1 of the sandbox: private mounts, and reaping (inside.go)
//	tests   starts the engine (engine.go), makes base images (bases.go) and runs the tests
//
// The sandbox is a set of namespaces: network, processes and mounts. The engine's bridges, rules of iptables and
// settings of the kernel's network are in it, and end with it, also when it is killed. So published ports never
// collide with the machine's, and an engine of the machine is not disturbed.
package containers
