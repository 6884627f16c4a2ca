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

// wrkVersion is the pinned load generator's: Debian 12 has it. It costs little of the processor that it measures.
const wrkVersion = "4.1.0"

// needWrk installs wrk where it is missing and may. It fails saying what to type.
func needWrk(ctx context.Context) error {
	if _, err := exec.LookPath("wrk"); err != nil && os.Geteuid() == 0 {
		fmt.Fprintln(os.Stderr, "installing wrk")
		for _, args := range [][]string{{"update", "-q"}, {"install", "-y", "-q", "--no-install-recommends", "wrk"}} {
			if out, err := exec.CommandContext(ctx, "apt-get", args...).CombinedOutput(); err != nil { //nolint:gosec // fixed words
				return fmt.Errorf("apt-get %v: %w\n%s", args, err, out)
			}
		}
	}
	out, _ := exec.CommandContext(ctx, "wrk", "--version").CombinedOutput() // wrk ends with 1 even here
	if !strings.Contains(string(out), wrkVersion) {
		return fmt.Errorf("wrk %s is needed, for example: apt-get update && apt-get install wrk", wrkVersion)
	}
	return nil
}

// load is how hard a target is hit.
type load struct {
	duration    time.Duration
	connections int
}

// target is what is hit. With a body it is a POST; with random, its path ends with one of so many numbers, or its body has one for
// NUMBER; with paths, it is one of them in place of the url's own; with tokens, it is of one of their owners. With connections, it is
// hit by so many and not by the load's. Where it says that it is busy, whoever asked may be turned away.
type target struct {
	name, url   string
	headers     map[string]string
	body        string
	random      int
	paths       []string
	tokens      []string
	connections int
	busy        string // the code of that answer
}

// result is what came of it: requests per second, latencies, and what it cost to ask.
type result struct {
	name     string
	rate     float64
	p50, p99 time.Duration
	asking   time.Duration // CPU of the load generator
	answers  int
	refused  int // of the answers, those that said the target is busy
}

// hit fails if any answer was neither a success nor the one that the target may turn away with: an error is quicker than an answer,
// and would look good.
func (l load) hit(ctx context.Context, t target) (result, error) {
	script, err := t.script()
	if err != nil {
		return result{}, err
	}
	defer os.RemoveAll(filepath.Dir(script))                                                                                           //nolint:errcheck // a temporary folder
	cmd := exec.CommandContext(ctx, "wrk", "-t2", "-c", strconv.Itoa(cmp.Or(t.connections, l.connections)), "-d", l.duration.String(), //nolint:gosec // our own words
		"--timeout", "20s", "--latency", "-s", script, t.url)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return result{}, fmt.Errorf("wrk: %w\n%s", err, out)
	}
	r, err := t.parse(string(out))
	r.asking = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return r, err
}

// script is the request in wrk's Lua.
func (t target) script() (string, error) {
	var lua strings.Builder
	for name, value := range t.headers {
		fmt.Fprintf(&lua, "wrk.headers[%q] = %q\n", name, value)
	}
	if t.body != "" {
		fmt.Fprintf(&lua, "wrk.method = \"POST\"\nwrk.headers[\"Content-Type\"] = \"application/json\"\nwrk.body = [[%s]]\n", t.body)
	}
	if t.random > 0 || len(t.paths) > 0 { // or both threads of wrk would ask the same at the same time
		lua.WriteString("local threads = 0\nsetup = function(thread) threads = threads + 1; thread:set(\"seed\", threads) end\n" +
			"init = function() math.randomseed(seed) end\n")
	}
	as := ""
	if len(t.tokens) > 0 {
		fmt.Fprintf(&lua, "local tokens = {'%s'}\n", strings.Join(t.tokens, "', '"))
		as = `wrk.headers["Authorization"] = "Bearer " .. tokens[math.random(#tokens)] `
	}
	switch {
	case len(t.paths) > 0:
		lua.WriteString("local paths = {\n")
		for _, path := range t.paths {
			fmt.Fprintf(&lua, "%q,\n", path)
		}
		fmt.Fprintf(&lua, "}\nrequest = function() return wrk.format(nil, paths[math.random(%d)]) end\n", len(t.paths))
	case t.random > 0 && t.body != "":
		fmt.Fprintf(&lua, "request = function() %sreturn wrk.format(nil, nil, nil, (string.gsub(wrk.body, \"NUMBER\", math.random(%d)))) end\n", as, t.random)
	case t.random > 0:
		fmt.Fprintf(&lua, "request = function() return wrk.format(nil, wrk.path .. math.random(%d)) end\n", t.random)
	}
	if t.busy != "" { // each thread counts for itself
		fmt.Fprintf(&lua, "local seeded, all = setup, {}\nsetup = function(thread) table.insert(all, thread); if seeded then seeded(thread) end end\n"+
			"busy = 0\nresponse = function(status, headers, body) if status == 503 and string.find(body, '\"%s\"', 1, true) then busy = busy + 1 end end\n"+
			"done = function() local n = 0; for _, thread in ipairs(all) do n = n + thread:get('busy') end; print('busy: ' .. n) end\n", t.busy)
	}
	dir, err := os.MkdirTemp("", "sidecart-bench")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "request.lua")
	return path, os.WriteFile(path, []byte(lua.String()), 0o600)
}

var (
	rateLine    = regexp.MustCompile(`Requests/sec:\s+([\d.]+)`)
	answersLine = regexp.MustCompile(`(\d+) requests in `)
	busyLine    = regexp.MustCompile(`busy: (\d+)`)
	refusedLine = regexp.MustCompile(`Non-2xx or 3xx responses: (\d+)`)
	latencyLine = regexp.MustCompile(`(?m)^\s+(50|99)%\s+([\d.]+)(us|ms|s|m)\s*$`)
)

func (t target) parse(out string) (result, error) {
	r := result{name: t.name, answers: count(answersLine, out), refused: count(busyLine, out)}
	if count(refusedLine, out) > r.refused || strings.Contains(out, "Socket errors") {
		return result{}, errors.New("not every answer was a success:\n" + out)
	}
	rate := rateLine.FindStringSubmatch(out)
	latencies := latencyLine.FindAllStringSubmatch(out, -1)
	if rate == nil || len(latencies) != 2 {
		return result{}, errors.New("wrk said what is not expected:\n" + out)
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

// count is 0 where wrk did not say.
func count(line *regexp.Regexp, out string) int {
	said := line.FindStringSubmatch(out)
	if said == nil {
		return 0
	}
	n, _ := strconv.Atoi(said[1]) // digits
	return n
}
