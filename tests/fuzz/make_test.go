package fuzz_test

import (
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strings"
)

// make is request number n: valid but for one part, and sometimes for others. Without rng it is valid.
func (f *fuzzer) make(w *worker, n int, t target, rng *rand.Rand) (*request, error) {
	r := &request{number: n, op: t.op, media: t.media}
	b := &builder{document: f.document, worker: w, request: r, rng: rng, over: map[string]value{}, part: map[string]value{}}
	if rng == nil {
		b.rng = rand.New(rand.NewPCG(0, 0))
	} else if t.in != "request" {
		f.change(b, t, n)
		for rng.IntN(10) == 0 {
			if other, ok := f.another(b.changes, rng); ok {
				f.change(b, other, rng.IntN(1<<20))
			}
		}
	}
	if err := w.renew(t.op.ID); err != nil {
		return nil, err
	}
	if err := b.build(); err != nil {
		return nil, err
	}
	if rng != nil && t.in == "request" {
		fitting := slices.DeleteFunc(slices.Clone(wholes), func(c whole) bool { return c.fits != nil && !c.fits(r) })
		c := pick(f, t, n, fitting)
		path, hadBody := r.path, r.hasBody
		c.apply(r)
		r.undocumented = r.path != path || r.hasBody && (!hadBody || r.body == "")
		r.changes = append(r.changes, change{t, value{kind: c.kind, want: c.want}})
	}
	return r, nil
}

// pick returns a value for request n. All values of a target are tried before any is tried again.
func pick[T any](f *fuzzer, t target, n int, all []T) T {
	seed := fnv.New64()
	_, _ = seed.Write([]byte(t.String())) // it never fails
	order := rand.New(rand.NewPCG(f.seed, seed.Sum64())).Perm(len(all))
	return all[order[n/len(f.all)%len(all)]]
}

func (f *fuzzer) change(b *builder, t target, n int) {
	v := pick(f, t, n, f.values(t))
	if t.in == "body" {
		b.over[t.name] = v
	} else {
		b.part[t.in+" "+t.name] = v
	}
	b.changes = append(b.changes, change{t, v})
}

// another is a part of the same request that is not in or around one of those that changed already.
func (f *fuzzer) another(changed []change, rng *rand.Rand) (target, bool) {
	first := changed[0].target
	others := slices.DeleteFunc(slices.Clone(f.all), func(o target) bool {
		return o.op != first.op || o.in == "request" || first.media != "" && o.media != "" && o.media != first.media ||
			slices.ContainsFunc(changed, func(c change) bool { return c.target.in == o.in && overlap(c.target.name, o.name) })
	})
	if len(others) == 0 {
		return target{}, false
	}
	return others[rng.IntN(len(others))], true
}

func overlap(a, b string) bool { return strings.HasPrefix(a, b) || strings.HasPrefix(b, a) }

// refused reports whether the request must be refused.
func (r *request) refused() bool {
	return slices.ContainsFunc(r.changes, func(c change) bool { return c.value.want == refused })
}

// touches reports whether a field is hostile.
func (r *request) touches(name string) bool {
	return slices.ContainsFunc(r.changes, func(c change) bool { return c.target.name == name })
}
