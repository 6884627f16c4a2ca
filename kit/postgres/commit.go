package postgres

import (
	"context"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Tell has whoever follows the commits of tx's pool told when tx is over. It is a word inside this process: where the process
// dies, or the answer to the commit is lost, nobody is told.
func Tell(tx pgx.Tx) { tx.Conn().PgConn().CustomData()[told] = true }

// told marks a connection whose transaction somebody wants to know the end of.
const told = "sidecart/kit/postgres.Tell"

// Commits has something in it after each transaction that asked for it by Tell, until ctx ends. db was opened by Open. Of many
// at once it tells once.
func Commits(ctx context.Context, db *pgxpool.Pool) <-chan struct{} {
	c, ours := db.Config().ConnConfig.Tracer.(*commits)
	if !ours {
		panic("postgres: the pool was not opened by postgres.Open")
	}
	ch := make(chan struct{}, 1)
	c.followers.Store(ch, nil)
	context.AfterFunc(ctx, func() { c.followers.Delete(ch) })
	return ch
}

// commits sees the end of each statement of a pool.
type commits struct{ followers sync.Map } // by channel

// TraceQueryStart implements pgx.QueryTracer.
func (c *commits) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return ctx
}

// TraceQueryEnd implements pgx.QueryTracer.
func (c *commits) TraceQueryEnd(_ context.Context, conn *pgx.Conn, _ pgx.TraceQueryEndData) {
	marks := conn.PgConn().CustomData()
	if marks[told] == nil || conn.PgConn().TxStatus() != 'I' { // idle: the transaction is over
		return
	}
	delete(marks, told)
	c.followers.Range(func(ch, _ any) bool {
		select {
		case ch.(chan struct{}) <- struct{}{}:
		default:
		}
		return true
	})
}
