package fuzz_test

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
)

// report groups problems by the part of the operation and their kind, so that one defect is shown once.
type report struct {
	seed     uint64
	mu       sync.Mutex
	groups   map[string]*group
	statuses map[int]int
}

type group struct {
	title, detail, curl string
	number, times       int
}

func newReport(seed uint64) *report {
	return &report{seed: seed, groups: map[string]*group{}, statuses: map[int]int{}}
}

func (p *report) counted(res response) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.statuses[status(res)]++
}

func (p *report) add(r *request, found problem) {
	title := r.op.method + " " + r.op.path
	if len(r.changes) > 0 {
		title = r.changes[0].target.String()
	}
	title += ": " + found.kind
	p.mu.Lock()
	defer p.mu.Unlock()
	g := p.groups[title]
	if g == nil {
		g = &group{title: title, detail: found.detail, number: r.number, curl: r.curl()}
		for _, c := range r.changes {
			g.detail += fmt.Sprintf("\n  %s is %s", c.target.name, c.value.kind)
		}
		p.groups[title] = g
	}
	g.times++
}

func (p *report) kinds() int { p.mu.Lock(); defer p.mu.Unlock(); return len(p.groups) }

func (p *report) count() (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, g := range p.groups {
		n += g.times
	}
	return n
}

// write fails the test with each group.
func (p *report) write(t *testing.T) {
	t.Helper()
	for _, title := range slices.Sorted(maps.Keys(p.groups)) {
		g := p.groups[title]
		t.Errorf("%s (%d times)\n  %s\n  FUZZ_SEED=%d FUZZ_NUMBER=%d\n  %.1500s", title, g.times, g.detail, p.seed, g.number, g.curl)
	}
}
