package main

import (
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

// target is what is hit. With a body it is a POST; with random, its path ends with one of so many numbers, or its body has one for NUMBER.
type target struct {
	name, url string
	headers   map[string]string
	body      string
	random    int
}

// result is what came of it: requests per second, and latencies.
type result struct {
	name     string
	rate     float64
	p50, p99 time.Duration
}

// hit fails if any answer was not a success: an error is quicker than an answer, and would look good.
func (l load) hit(ctx context.Context, t target) (result, error) {
	script, err := t.script()
	if err != nil {
		return result{}, err
	}
	defer os.RemoveAll(filepath.Dir(script))                                                                         //nolint:errcheck // a temporary folder
	out, err := exec.CommandContext(ctx, "wrk", "-t2", "-c", strconv.Itoa(l.connections), "-d", l.duration.String(), //nolint:gosec // our own words
		"--timeout", "20s", "--latency", "-s", script, t.url).CombinedOutput()
	if err != nil {
		return result{}, fmt.Errorf("wrk: %w\n%s", err, out)
	}
	return parse(t.name, string(out))
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
	switch {
	case t.random > 0 && t.body != "":
		fmt.Fprintf(&lua, "request = function() return wrk.format(nil, nil, nil, (string.gsub(wrk.body, \"NUMBER\", math.random(%d)))) end\n", t.random)
	case t.random > 0:
		fmt.Fprintf(&lua, "request = function() return wrk.format(nil, wrk.path .. math.random(%d)) end\n", t.random)
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
	latencyLine = regexp.MustCompile(`(?m)^\s+(50|99)%\s+([\d.]+)(us|ms|s|m)\s*$`)
)

func parse(name, out string) (result, error) {
	for _, bad := range []string{"Non-2xx", "Socket errors"} {
		if strings.Contains(out, bad) {
			return result{}, errors.New("not every answer was a success:\n" + out)
		}
	}
	rate := rateLine.FindStringSubmatch(out)
	latencies := latencyLine.FindAllStringSubmatch(out, -1)
	if rate == nil || len(latencies) != 2 {
		return result{}, errors.New("wrk said what is not expected:\n" + out)
	}
	r := result{name: name}
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
