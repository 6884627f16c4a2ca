package audit

import (
	"context"
	"fmt"
	"slices"

	"sidecart/kit/postgres"
)

// Report is the result of Verify. Flaws are the changed, removed and inserted entries.
type Report struct {
	Entries int64
	Head    Head
	Flaws   []string
}

const (
	verifyBatch = 1000 // entries that are read at a time
	maxFlaws    = 100  // that are reported
)

// Verify reads the whole chain and computes every hash again. Pass a head that was noted earlier (the zero Head: none):
// only it reveals that an administrator of the database has written a new chain. Entries that are added meanwhile are
// ignored.
func Verify(ctx context.Context, db postgres.Reader, noted Head) (Report, error) {
	head, err := getHead(ctx, db)
	if err != nil {
		return Report{}, err
	}
	v := verification{tail: Head{Hash: genesis()}, noted: noted}
	for len(v.Flaws) < maxFlaws {
		entries, err := listAfter(ctx, db, v.tail.Seq, verifyBatch)
		if err != nil {
			return Report{}, err
		}
		entries = slices.DeleteFunc(entries, func(e AuditEntry) bool { return e.Seq > head.Seq && head.Hash != "" })
		if len(entries) == 0 {
			break
		}
		for _, e := range entries {
			v.check(e)
		}
	}
	v.finish(head)
	return v.Report, nil
}

// verification is the state of Verify; tail is the last entry that was read.
type verification struct {
	Report
	tail  Head
	noted Head
}

func (v *verification) check(e AuditEntry) {
	switch {
	case e.Seq != v.tail.Seq+1:
		v.flaw(v.tail.Seq+1, "is missing")
	case e.Previous == v.tail.Hash:
	case v.tail.Seq == 0:
		v.flaw(e.Seq, "does not start the chain")
	default:
		v.flaw(v.tail.Seq, fmt.Sprintf("is not the predecessor of entry %d", e.Seq))
	}
	if e.computeHash() != e.Hash {
		v.flaw(e.Seq, "was changed after it was written")
	}
	if e.Seq == v.noted.Seq && e.Hash != v.noted.Hash {
		v.flaw(e.Seq, "differs from the noted head")
	}
	v.Entries++
	v.tail = Head{Seq: e.Seq, Hash: e.Hash}
}

func (v *verification) finish(head Head) {
	switch {
	case len(v.Flaws) >= maxFlaws:
	case head.Hash == "":
		v.flaw(v.tail.Seq+1, "cannot follow: the head of the chain was removed")
	case v.tail.Seq < head.Seq:
		v.flaw(v.tail.Seq+1, "and all after it are missing")
	case v.tail.Hash != head.Hash:
		v.flaw(head.Seq, "differs from the head of the chain")
	}
	if v.noted.Seq > head.Seq {
		v.flaw(v.noted.Seq, "was noted as the head and is missing")
	}
	v.Head = head
}

func (v *verification) flaw(seq int64, problem string) {
	if len(v.Flaws) < maxFlaws {
		v.Flaws = append(v.Flaws, fmt.Sprintf("entry %d %s", seq, problem))
	}
}
