package kubernetes

import (
	"context"
	"fmt"
	"os/exec"
	"testing"
	"time"
)

func tryKubectl(t *testing.T, args ...string) error {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "kubectl", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("kubectl %v: %w\n%s", args, err, out)
	}
	return nil
}

// state shows the pods, their latest events, and the ends of their logs.
func state(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute) // that of the test has ended
	defer cancel()
	for _, args := range [][]string{
		{"get", "pods", "-A", "-o", "wide"}, in("get", "events", "--sort-by=.lastTimestamp"),
		in("logs", "-l", "app.kubernetes.io/part-of=sidecart", "--all-containers", "--prefix", "--tail=15", "--ignore-errors", "--max-log-requests=50"),
	} {
		out, err := exec.CommandContext(ctx, "kubectl", args...).CombinedOutput()
		t.Logf("kubectl %v: %v\n%s", args, err, out[max(0, len(out)-20000):])
	}
}
