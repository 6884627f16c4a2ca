// Auditverify walks the audit's chain of hashes and names the entries that somebody changed, removed or put in. `make
// audit-verify` runs it; elsewhere it takes the address of the users database from AUDIT_DATABASE_URL.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"sidecart/apps/users/internal/audit"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	since := flag.String("since", "", "a head that was noted before, NUMBER:HASH; the chain must still have it")
	flag.Parse()
	whole, err := run(ctx, *since)
	if err != nil {
		fmt.Fprintln(os.Stderr, "audit-verify:", err)
		os.Exit(2)
	}
	if !whole {
		os.Exit(1)
	}
}

// run prints what it found and says whether the chain is whole.
func run(ctx context.Context, since string) (whole bool, err error) {
	var known audit.Head
	if since != "" {
		number, hash, _ := strings.Cut(since, ":")
		if known.Seq, err = strconv.ParseInt(number, 10, 64); err != nil || len(hash) != 64 {
			return false, fmt.Errorf("%q is not a head like 42:9f86d0...", since)
		}
		known.Hash = strings.ToLower(hash)
	}
	address := os.Getenv("AUDIT_DATABASE_URL")
	if address == "" {
		return false, fmt.Errorf("AUDIT_DATABASE_URL is not set: it is the address of the users database")
	}
	db, err := pgx.Connect(ctx, address)
	if err != nil {
		return false, err
	}
	defer db.Close(ctx) //nolint:errcheck // the end
	report, err := audit.Verify(ctx, db, known)
	if err != nil {
		return false, err
	}
	for _, flaw := range report.Flaws {
		fmt.Println("TAMPERED:", flaw)
	}
	fmt.Printf("%d entries, head %d:%s\n", report.Entries, report.Head.Seq, report.Head.Hash)
	if len(report.Flaws) == 0 {
		fmt.Println("the chain is whole")
	}
	return len(report.Flaws) == 0, nil
}
