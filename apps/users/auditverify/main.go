// Auditverify verifies the hash chain of the audit and reports changed, removed and inserted entries.
// AUDIT_DATABASE_URL is the URL of the users database; `make audit-verify` sets it.
package main

import (
	"context"
	"errors"
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
	since := flag.String("since", "", "a head that was noted earlier, NUMBER:HASH, which the chain must contain")
	flag.Parse()
	intact, err := run(ctx, *since)
	if err != nil {
		fmt.Fprintln(os.Stderr, "audit-verify:", err)
		os.Exit(2)
	}
	if !intact {
		os.Exit(1)
	}
}

// run prints the report and returns whether the chain is intact.
func run(ctx context.Context, since string) (intact bool, err error) {
	var noted audit.Head
	if since != "" {
		number, hash, _ := strings.Cut(since, ":")
		if noted.Seq, err = strconv.ParseInt(number, 10, 64); err != nil || len(hash) != 64 {
			return false, fmt.Errorf("%q is not a head like 42:9f86d0...", since)
		}
		noted.Hash = strings.ToLower(hash)
	}
	address := os.Getenv("AUDIT_DATABASE_URL")
	if address == "" {
		return false, errors.New("AUDIT_DATABASE_URL, the URL of the users database, is not set")
	}
	db, err := pgx.Connect(ctx, address)
	if err != nil {
		return false, err
	}
	defer db.Close(ctx) //nolint:errcheck // the program ends
	report, err := audit.Verify(ctx, db, noted)
	if err != nil {
		return false, err
	}
	for _, flaw := range report.Flaws {
		fmt.Println("TAMPERED:", flaw)
	}
	fmt.Printf("%d entries, head %d:%s\n", report.Entries, report.Head.Seq, report.Head.Hash)
	if len(report.Flaws) == 0 {
		fmt.Println("the chain is intact")
	}
	return len(report.Flaws) == 0, nil
}
