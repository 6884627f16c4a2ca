package kubernetes

import (
	"strings"
	"testing"
)

// backup runs the backup now, which is scheduled for nights.
func backup(t *testing.T) {
	kubectl(t, in("create", "job", "backup-now", "--from=cronjob/backup")...)
	kubectl(t, in("wait", "--for=condition=Complete", "job/backup-now", "--timeout=120s")...)
	saved := kubectl(t, in("logs", "job/backup-now")...)
	for _, want := range []string{"users: ", "products: ", "orders: ", "notifications: ", "saved in "} {
		if !strings.Contains(saved, want) {
			t.Errorf("the backup does not say %q:\n%s", want, saved)
		}
	}
}

// seed fills the platform with data. The load has ended: both are the same user, who has limits.
func seed(t *testing.T) {
	kubectl(t, "apply", "-k", root(t)+"/deploy/kubernetes/seed")
	kubectl(t, in("wait", "--for=condition=Complete", "job/seed", "--timeout=300s")...)
	t.Logf("seed: %s", kubectl(t, in("logs", "job/seed", "--tail=3")...))
}
