package program

import (
	"os"
	"path/filepath"
	"testing"

	"sidecart/stack/internal/instance"
)

// TestStamp: a program is up to date when it was built from the same pins with the same flags.
func TestStamp(t *testing.T) {
	i := instance.Instance{Root: t.TempDir(), Name: "run"}
	write(t, i.Root, map[string]string{"tools/mail/go.mod": "module mail"})
	path := filepath.Join(i.Bin(), "mailhog")
	builds := 0
	ensure := func(flags ...string) {
		t.Helper()
		err := target{module: "mail", name: "mail", programs: []string{path}, flags: flags}.ensure(i, func() error {
			builds++
			return os.WriteFile(path, nil, 0o700)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for n, step := range []struct {
		flags []string
		pins  string
		want  int
	}{
		{[]string{"-s"}, "module mail", 1},
		{[]string{"-s"}, "module mail", 1},
		{[]string{"-s", "-w"}, "module mail", 2},
		{[]string{"-s", "-w"}, "module mail // another version", 3},
	} {
		write(t, i.Root, map[string]string{"tools/mail/go.mod": step.pins})
		if ensure(step.flags...); builds != step.want {
			t.Errorf("step %d: built %d times, want %d", n, builds, step.want)
		}
	}
}
