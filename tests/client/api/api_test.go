package api

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

const tools, document = "../../../tools/oapi", "../../docs/openapi.json"

func TestClientIsOfTheDocument(t *testing.T) {
	out := filepath.Join(t.TempDir(), "api.gen.go")
	generate(t, "-config", "../../tests/client/api/oapi-codegen.yaml", "-o", out, document)
	want, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("api.gen.go")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("api.gen.go is not what docs/openapi.json gives: run `make openapi`")
	}
}

// TestWholeClientCompiles generates the client of all operations, with the default options of oapi-codegen.
func TestWholeClientCompiles(t *testing.T) {
	if testing.Short() {
		t.Skip("-short is set: this test compiles 50,000 generated lines")
	}
	dir := t.TempDir()
	out := filepath.Join(dir, "whole.go")
	generate(t, "-generate", "types,client", "-package", "whole", "-o", out, document)
	place, err := filepath.Abs("whole/whole.go") // which is nowhere but in the overlay
	if err != nil {
		t.Fatal(err)
	}
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{place: out}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(file, overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, exec.CommandContext(t.Context(), "go", "build", "-overlay", file, "./whole"))
}

func generate(t *testing.T, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"tool", "oapi-codegen"}, args...)...)
	cmd.Dir, cmd.Env = tools, append(os.Environ(), "GOWORK=off")
	run(t, cmd)
}

func run(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, out)
	}
}
