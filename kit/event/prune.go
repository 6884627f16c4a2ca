package event

import (
	"context"
	"time"

	"sidecart/kit/shop"
	"sidecart/kit/sidecar"
	"sidecart/kit/web"
)

// remembered is how long an inbox knows what was heard. No broker delivers again what is so old, and a dead letter that is
// replayed later was not heard. Dead letters themselves are kept until somebody replays or discards them, or whoever they are
// about is forgotten, and the outbox is empty when all is published.
const remembered = 14 * 24 * time.Hour

// pruneJob is the scheduler's name for forgetting what was heard long ago; one replica gets each call.
const pruneJob = "prune-inbox"

// SchedulePruning asks the scheduler to have the inbox pruned every night, at 3:17 UTC.
func (h *Hub) SchedulePruning(ctx context.Context, every sidecar.Schedule) error {
	return every(ctx, pruneJob, "0 17 3 * * *")
}

func (h *Hub) pruneRoutes() {
	web.Handle(h.app, "POST /job/"+pruneJob, shop.Anyone, h.handlePrune, web.Internal, web.Patience(time.Minute))
}

func (h *Hub) handlePrune(ctx context.Context, _ shop.Caller, _ web.None) (web.None, error) {
	return web.None{}, h.prune(ctx, time.Now().Add(-remembered))
}

// prune goes in steps, so that it never holds many rows at once; what a step did stays done.
func (h *Hub) prune(ctx context.Context, before time.Time) error {
	if err := h.forgetLate(ctx); err != nil {
		return err
	}
	for _, statement := range []string{
		`delete from inbox where event_id in (select event_id from inbox where heard_at < $1 limit 5000)`,
		`delete from failures where event_id in (select event_id from failures where failed_at < $1 limit 5000)`,
		`delete from forgotten where user_id in (select user_id from forgotten where at < $1 limit 5000)`,
	} {
		for {
			tag, err := h.db.Exec(ctx, statement, before)
			if err != nil {
				return err
			}
			if tag.RowsAffected() == 0 {
				break
			}
		}
	}
	return nil
}
