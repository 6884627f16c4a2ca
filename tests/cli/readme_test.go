package cli_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sidecart/tests/platform"
)

// firstOrder runs the commands of the README's first order, as they are but for the address, on an empty platform. The
// commands that read are repeated until the order is paid and the buyer is notified.
func firstOrder(t *testing.T, root, url string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "## A first order")
	_, block, _ := strings.Cut(section, "```sh\n")
	block, _, _ = strings.Cut(block, "```")
	create, read, found := strings.Cut(strings.ReplaceAll(block, "http://localhost:8000", url), "sleep 3\n")
	if !found {
		t.Fatalf("README.md has no first order:\n%s", block)
	}
	out := shell(t, create+"\necho; echo API=$API TOKEN=$TOKEN")
	variables := out[strings.LastIndex(out, "\n")+1:]
	platform.Eventually(t, 90*time.Second, func() error {
		out := shell(t, variables+"\n"+read)
		for _, want := range []string{`"status":"paid"`, `"orders.placed"`, `"orders.paid"`} {
			if !strings.Contains(out, want) {
				return fmt.Errorf("no %s in %s", want, out)
			}
		}
		return nil
	})
}

func shell(t *testing.T, script string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "sh", "-euc", script).CombinedOutput()
	if err != nil {
		t.Fatalf("%s\n%v\n%s", script, err, out)
	}
	return strings.TrimSpace(string(out))
}
