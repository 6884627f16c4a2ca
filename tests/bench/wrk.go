package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// wrkVersion is the version of Debian 12. wrk uses little of the CPU that it measures.
const wrkVersion = "4.1.0"

// needWrk installs wrk if it is missing and we are root. Its error has the command to type.
func needWrk(ctx context.Context) error {
	if _, err := exec.LookPath("wrk"); err != nil && os.Geteuid() == 0 {
		fmt.Fprintln(os.Stderr, "installing wrk")
		for _, args := range [][]string{{"update", "-q"}, {"install", "-y", "-q", "--no-install-recommends", "wrk"}} {
			out, err := exec.CommandContext(ctx, "apt-get", args...).CombinedOutput() //nolint:gosec // constants
			if err != nil {
				return fmt.Errorf("apt-get %v: %w\n%s", args, err, out)
			}
		}
	}
	out, _ := exec.CommandContext(ctx, "wrk", "--version").CombinedOutput() // its exit code is 1, also on success
	if !strings.Contains(string(out), wrkVersion) {
		return fmt.Errorf("wrk %s is needed, for example: apt-get update && apt-get install wrk", wrkVersion)
	}
	return nil
}

// load is how a target is measured.
type load struct {
	duration    time.Duration
	connections int
}

// target is a kind of request.
type target struct {
	name, url   string
	headers     map[string]string
	body        string   // of a POST
	random      int      // a number up to this ends the path, or replaces NUMBER in the body
	paths       []string // one of them replaces the url's path
	tokens      []string // one of them authenticates the request
	connections int      // instead of the load's
	busy        string   // the error code of 503 responses that are no failure
}

// result has requests per second, latencies, and the cost of the load generator.
type result struct {
	name      string
	rate      float64
	p50, p99  time.Duration
	cpu       time.Duration // of the load generator
	responses int
	busy      int // of the responses, those with the target's busy code
}

// hit measures a target. It fails if any response was neither a success nor busy: errors are faster than successes, and
// would improve the result.
func (l load) hit(ctx context.Context, t target) (result, error) {
	script, err := t.script()
	if err != nil {
		return result{}, err
	}
	defer os.RemoveAll(filepath.Dir(script)) //nolint:errcheck // a temporary folder
	connections := strconv.Itoa(cmp.Or(t.connections, l.connections))
	cmd := exec.CommandContext(ctx, "wrk", //nolint:gosec // our own arguments
		"-t2", "-c", connections, "-d", l.duration.String(), "--timeout", "20s", "--latency", "-s", script, t.url)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return result{}, fmt.Errorf("wrk: %w\n%s", err, out)
	}
	r, err := t.parse(string(out))
	r.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return r, err
}

// countBusy counts the busy responses of all threads.
const countBusy = `
local seeded, all = setup, {}
setup = function(thread) table.insert(all, thread); if seeded then seeded(thread) end end
busy = 0
response = function(status, headers, body)
  if status == 503 and string.find(body, '"%s"', 1, true) then busy = busy + 1 end
end
done = function()
  local n = 0
  for _, thread in ipairs(all) do n = n + thread:get('busy') end
  print('busy: ' .. n)
end
`

// script is the request in wrk's Lua.
func (t target) script() (string, error) {
	var lua strings.Builder
	for name, value := range t.headers {
		fmt.Fprintf(&lua, "wrk.headers[%q] = %q\n", name, value)
	}
	if t.body != "" {
		fmt.Fprintf(&lua, `wrk.method, wrk.body = "POST", [[%s]]`+"\n", t.body)
		lua.WriteString(`wrk.headers["Content-Type"] = "application/json"` + "\n")
	}
	if t.random > 0 || len(t.paths) > 0 { // without a seed, both threads of wrk would send the same requests
		lua.WriteString(`local threads = 0
setup = function(thread) threads = threads + 1; thread:set("seed", threads) end
init = function() math.randomseed(seed) end
`)
	}
	authenticate := ""
	if len(t.tokens) > 0 {
		fmt.Fprintf(&lua, "local tokens = {'%s'}\n", strings.Join(t.tokens, "', '"))
		authenticate = `wrk.headers["Authorization"] = "Bearer " .. tokens[math.random(#tokens)] `
	}
	switch {
	case len(t.paths) > 0:
		lua.WriteString("local paths = {\n")
		for _, path := range t.paths {
			fmt.Fprintf(&lua, "%q,\n", path)
		}
		fmt.Fprintf(&lua, "}\nrequest = function() return wrk.format(nil, paths[math.random(%d)]) end\n", len(t.paths))
	case t.random > 0 && t.body != "":
		fmt.Fprintf(&lua, "request = function()\n%s\nreturn wrk.format(nil, nil, nil, %s)\nend\n", authenticate,
			fmt.Sprintf(`(string.gsub(wrk.body, "NUMBER", math.random(%d)))`, t.random))
	case t.random > 0:
		fmt.Fprintf(&lua, "request = function() return wrk.format(nil, wrk.path .. math.random(%d)) end\n", t.random)
	}
	if t.busy != "" {
		fmt.Fprintf(&lua, countBusy, t.busy)
	}
	dir, err := os.MkdirTemp("", "sidecart-bench")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "request.lua")
	return path, os.WriteFile(path, []byte(lua.String()), 0o600)
}

var (
	rateLine      = regexp.MustCompile(`Requests/sec:\s+([\d.]+)`)
	responsesLine = regexp.MustCompile(`(\d+) requests in `)
	busyLine      = regexp.MustCompile(`busy: (\d+)`)
	failuresLine  = regexp.MustCompile(`Non-2xx or 3xx responses: (\d+)`)
	latencyLine   = regexp.MustCompile(`(?m)^\s+(50|99)%\s+([\d.]+)(us|ms|s|m)\s*$`)
)

func (t target) parse(out string) (result, error) {
	r := result{name: t.name, responses: count(responsesLine, out), busy: count(busyLine, out)}
	if count(failuresLine, out) > r.busy || strings.Contains(out, "Socket errors") {
		return result{}, errors.New("not every response was a success:\n" + out)
	}
	rate := rateLine.FindStringSubmatch(out)
	latencies := latencyLine.FindAllStringSubmatch(out, -1)
	if rate == nil || len(latencies) != 2 {
		return result{}, errors.New("unexpected output of wrk:\n" + out)
	}
	var err error
	if r.rate, err = strconv.ParseFloat(rate[1], 64); err != nil {
		return r, err
	}
	for i, to := range []*time.Duration{&r.p50, &r.p99} {
		if *to, err = time.ParseDuration(latencies[i][2] + latencies[i][3]); err != nil {
			return r, err
		}
	}
	return r, nil
}

// count is the number in a line, or 0 without the line.
func count(line *regexp.Regexp, out string) int {
	match := line.FindStringSubmatch(out)
	if match == nil {
		return 0
	}
	n, _ := strconv.Atoi(match[1]) // digits
	return n
}
