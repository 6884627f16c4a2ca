package delivery

import (
	"math"
	"strings"
	"testing"

	"github.com/google/uuid"

	"sidecart/kit/kittest"
)

// TestHistoryUsesTheIndexOfItsFilter with generic plans too.
func TestHistoryUsesTheIndexOfItsFilter(t *testing.T) {
	t.Parallel()
	db := database(t)
	for _, statement := range []string{`
		insert into deliveries (id, notification_id, user_id, kind, channel, priority, variables, due_at, give_up_at)
		select md5(n::text)::uuid, md5(n::text)::uuid, gen_random_uuid(), 'orders.paid', 'email', 1, '{}', now(), now()
		from generate_series(1, 20000) n`, `
		insert into attempts (delivery_id, number, outcome, provider, response, latency_ms)
		select id, 1, 'sent', '', '', 1 from deliveries`,
		`analyze deliveries, attempts`} {
		if _, err := db.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	var notification uuid.UUID
	if err := db.QueryRow(t.Context(), `select notification_id from deliveries limit 1`).Scan(&notification); err != nil {
		t.Fatal(err)
	}
	explainer := &kittest.Explainer{Pool: db}
	for index, f := range map[string]HistoryQuery{"deliveries_notification_id_channel_key": {NotificationID: &notification}, "attempts_pkey": {}} {
		found, err := history(t.Context(), explainer, f, math.MaxInt64, 21)
		if err != nil || len(found) == 0 || !strings.Contains(explainer.Plan, index+" ") {
			t.Errorf("%d found without %s, %v:\n%s", len(found), index, err, explainer.Plan)
		}
	}
}
