package audit

import (
	"context"
	"fmt"
	"slices"

	"sidecart/kit/postgres"
)

// Report is what a walk along the chain found. Flaws is empty where nobody has touched it.
type Report struct {
	Entries int64
	Head    Head
	Flaws   []Flaw
}

// Flaw is a place where the chain is not what was written. Seq is the entry that was changed, removed or put in.
type Flaw struct {
	Seq     int64
	Problem string
}

// String names the entry.
func (f Flaw) String() string { return fmt.Sprintf("entry %d %s", f.Seq, f.Problem) }

// walked is how many entries are read at a time, and mostFlaws how many are told of.
const (
	verifyBatch = 1000
	maxFlaws    = 100
)

// Verify walks the whole chain and computes every hash anew, without the help of the database. Somebody who may do
// anything there could write a new chain; it does not have the head that was noted before. known is such a note, and the
// zero Head is none. Entries that are added meanwhile are not looked at.
func Verify(ctx context.Context, db postgres.Reader, known Head) (Report, error) {
	head, err := getHead(ctx, db)
	if err != nil {
		return Report{}, err
	}
	w := verification{last: Head{Hash: genesis()}, checkpoint: known}
	for len(w.Flaws) < maxFlaws {
		entries, err := listAfter(ctx, db, w.last.Seq, verifyBatch)
		if err != nil {
			return Report{}, err
		}
		entries = slices.DeleteFunc(entries, func(k AuditEntry) bool { return k.Seq > head.Seq && head.Hash != "" })
		if len(entries) == 0 {
			break
		}
		for _, k := range entries {
			w.check(k)
		}
	}
	w.finish(head)
	return w.Report, nil
}

// verification is how far the chain was followed.
type verification struct {
	Report
	last       Head
	checkpoint Head
}

func (w *verification) check(k AuditEntry) {
	if k.Seq != w.last.Seq+1 {
		w.flaw(w.last.Seq+1, "is missing")
	} else if k.Previous != w.last.Hash {
		if w.last.Seq == 0 {
			w.flaw(k.Seq, "does not begin the chain")
		} else {
			w.flaw(w.last.Seq, fmt.Sprintf("is not the one that entry %d was written after", k.Seq))
		}
	}
	if k.computeHash() != k.Hash {
		w.flaw(k.Seq, "was changed after it was written")
	}
	if k.Seq == w.checkpoint.Seq && k.Hash != w.checkpoint.Hash {
		w.flaw(k.Seq, "is not the one that was noted as the head")
	}
	w.Entries++
	w.last = Head{Seq: k.Seq, Hash: k.Hash}
}

func (w *verification) finish(head Head) {
	switch {
	case len(w.Flaws) >= maxFlaws:
	case head.Hash == "":
		w.flaw(w.last.Seq+1, "cannot follow: the head of the chain was removed")
	case w.last.Seq < head.Seq:
		w.flaw(w.last.Seq+1, "and all after it are missing")
	case w.last.Hash != head.Hash:
		w.flaw(head.Seq, "is not the one that the head of the chain names")
	}
	if w.checkpoint.Seq > head.Seq {
		w.flaw(w.checkpoint.Seq, "was noted as the head and is missing")
	}
	w.Head = head
}

func (w *verification) flaw(seq int64, what string) {
	if len(w.Flaws) < maxFlaws {
		w.Flaws = append(w.Flaws, Flaw{Seq: seq, Problem: what})
	}
}
