package image

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// client is a fake of Docker's client: a script that notes its arguments, and responds as a test wants.
func client(t *testing.T, script string) (b Builder, arguments func() string) {
	t.Helper()
	dir := t.TempDir()
	notes := filepath.Join(dir, "arguments")
	b = Builder{Docker: filepath.Join(dir, "docker"), Root: dir, Tag: "1.2.0", Version: "v1.2.0", Revision: "abc"}
	text := "#!/bin/sh\necho \"$DOCKER_BUILDKIT $@\" >> " + notes + "\n" + script + "\n"
	if err := os.WriteFile(b.Docker, []byte(text), 0o700); err != nil { //nolint:gosec // a program
		t.Fatal(err)
	}
	return b, func() string {
		text, err := os.ReadFile(notes) //nolint:gosec // of this test
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
}

func find(t *testing.T, name string) Image {
	t.Helper()
	for _, i := range All([]string{"orders", "users"}) {
		if i.Name == name {
			return i
		}
	}
	t.Fatalf("no image %s", name)
	return Image{}
}

func TestBuild(t *testing.T) {
	b, arguments := client(t, "")
	b.BaseArgs = []string{"GO_IMAGE=mirror/golang:1"}
	if err := b.Build(t.Context(), find(t, "orders-pod")); err != nil {
		t.Fatal(err)
	}
	want := "1 build --file deploy/Dockerfile --target pod --tag sidecart/orders-pod:1.2.0 --build-arg VERSION=v1.2.0 " +
		"--build-arg REVISION=abc --build-arg APP=orders --build-arg GO_IMAGE=mirror/golang:1 .\n"
	if got := arguments(); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

// TestErrorsSayWhatToDo, with the texts of Docker's client.
func TestErrorsSayWhatToDo(t *testing.T) {
	for want, do := range map[string]func() error{
		"install Docker, or name its client": func() error { return Builder{Docker: "/none/docker"}.Ready(t.Context()) },
		"start it, or set DOCKER_HOST": func() error {
			b, _ := client(t, "echo 'Cannot connect to the Docker daemon' >&2; exit 1")
			return b.Ready(t.Context())
		},
		"GO_IMAGE=registry.example.com": func() error {
			b, _ := client(t, "echo 'ERROR: golang:1.26-bookworm: failed to resolve source metadata for docker.io/library/golang' >&2; exit 1")
			return b.Build(t.Context(), find(t, "orders"))
		},
		"sidecart/orders:1.2.0 has 61 MB, more than 60": func() error {
			b, _ := client(t, "echo 64000000")
			_, err := b.Size(t.Context(), find(t, "orders"))
			return err
		},
	} {
		if err := do(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	b, _ := client(t, "echo 140000000")
	if size, err := b.Size(t.Context(), find(t, "orders-pod")); err != nil || size != 140000000 {
		t.Errorf("a pod has a sidecar, too: %d %v", size, err)
	}
}

// TestExtractLeavesNoContainer, also when a file is missing.
func TestExtractLeavesNoContainer(t *testing.T) {
	b, arguments := client(t, "[ $1 != create ] || echo id7; [ $1 != cp ] || exit 1")
	if err := b.Extract(t.Context(), find(t, "seed"), []string{"/seed", "/demo"}, t.TempDir()); err == nil {
		t.Error("a file that cannot be copied is no error")
	}
	if got := arguments(); !strings.Contains(got, "create sidecart/seed:1.2.0\n") || !strings.HasSuffix(got, "rm id7\n") {
		t.Error(got)
	}
}
