package containers

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// bases are images with the names of official ones, for machines that reach no registry. They are made of Debian's
// packages, of the Go that builds this project, and of the stack's programs of Dapr. They trust the certificate
// authorities of this machine, and images built on them do: never publish any of them.
//
//go:embed bases
var bases embed.FS

const debian = "debian:bookworm-slim"

// MakeBases makes the images that are missing or out of date.
func MakeBases(ctx context.Context, log func(format string, args ...any)) error {
	if err := makeDebian(ctx, log); err != nil {
		return err
	}
	for _, b := range [][2]string{
		{"golang:1.26-bookworm", "golang"}, {"postgres:15-bookworm", "postgres"}, {"redis:7-bookworm", "redis"},
		{"nginx:1.28-bookworm", "nginx"},
	} {
		context, about := "", ""
		if b[1] == "golang" {
			version, err := os.ReadFile(filepath.Join(os.Getenv("GOROOT"), "VERSION"))
			if err != nil {
				return err
			}
			context, about = os.Getenv("GOROOT"), string(version)
		}
		if err := makeBase(ctx, log, b[0], b[1], context, about); err != nil {
			return err
		}
	}
	for _, name := range []string{"daprd", "placement", "scheduler", "sentry"} {
		about, err := digest(filepath.Join(os.Getenv("DAPR_DIR"), name))
		if err != nil {
			return err
		}
		if err := makeBase(ctx, log, "daprio/"+name+":1.18.2", "dapr", os.Getenv("DAPR_DIR"), about, "PROGRAM="+name); err != nil {
			return err
		}
	}
	return nil
}

// makeBase builds an image from a folder of bases, unless it was built from the same. The builder gets another folder
// as context where that is named.
func makeBase(ctx context.Context, log func(string, ...any), tag, name, context, about string, arguments ...string) error {
	parent, err := docker(ctx, "image", "inspect", "--format", "{{.Id}}", debian)
	if err != nil {
		return err
	}
	dir, sum, err := unpack(name)
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	made := hexDigest(sum + parent + about)
	if labelOf(ctx, tag) == made {
		return nil
	}
	if context == "" {
		context = dir
	}
	args := []string{"build", "--quiet", "--tag", tag, "--label", "sidecart.made-from=" + made,
		"--label", "sidecart.never-publish=trusts the certificate authorities of the machine that made it",
		"--file", filepath.Join(dir, "Dockerfile")}
	for _, a := range arguments {
		args = append(args, "--build-arg", a)
	}
	began := time.Now()
	if _, err := docker(ctx, append(args, context)...); err != nil {
		return err
	}
	log("made %s in %.0fs", tag, time.Since(began).Seconds())
	return nil
}

// makeDebian makes the image that the others are made from, once.
func makeDebian(ctx context.Context, log func(string, ...any)) error {
	authorities, err := os.ReadFile("/etc/ssl/certs/ca-certificates.crt")
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	made := hexDigest(string(authorities))
	if labelOf(ctx, debian) == made {
		return nil
	}
	began, root := time.Now(), filepath.Join(folder(), "debian")
	log("debootstrap makes a Debian: about three minutes, once")
	if err := os.RemoveAll(root); err != nil {
		return err
	}
	if _, err := run(ctx, "", nil, "debootstrap", "--variant=minbase", "--include=ca-certificates", "bookworm", root); err != nil {
		return fmt.Errorf("%w\nis the package server reachable?", err)
	}
	if len(authorities) > 0 {
		if err := os.WriteFile(filepath.Join(root, "etc/ssl/certs/ca-certificates.crt"), authorities, 0o644); err != nil {
			return err
		}
	}
	if err := copySources(root); err != nil {
		return err
	}
	if err := importImage(ctx, root, debian, "LABEL sidecart.made-from="+made); err != nil {
		return err
	}
	log("made %s in %.0fs", debian, time.Since(began).Seconds())
	return os.RemoveAll(root)
}

// copySources makes the image use the same package servers as this machine, where it is a Debian of the same release.
func copySources(root string) error {
	release, _ := os.ReadFile("/etc/os-release")
	if !strings.Contains(string(release), "bookworm") {
		return nil
	}
	files, err := filepath.Glob("/etc/apt/sources.list*")
	if err != nil {
		return err
	}
	for _, file := range files {
		if _, err := run(context.Background(), "", nil, "cp", "-a", file, filepath.Join(root, "etc/apt")+"/"); err != nil {
			return err
		}
	}
	return nil
}

// importImage makes an image of a folder.
func importImage(ctx context.Context, root, tag, label string) error {
	pack := exec.CommandContext(ctx, "tar", "-C", root, "-c", ".")
	out, err := pack.StdoutPipe()
	if err != nil {
		return err
	}
	if err := pack.Start(); err != nil {
		return err
	}
	_, err = run(ctx, "", out, "docker", "import", "--change", `CMD ["bash"]`, "--change", label, "-", tag)
	return errors.Join(err, pack.Wait())
}

// labelOf is what an image was made from, "" if it does not exist.
func labelOf(ctx context.Context, tag string) string {
	out, err := docker(ctx, "image", "inspect", "--format", `{{index .Config.Labels "sidecart.made-from"}}`, tag)
	if err != nil {
		return ""
	}
	return out
}

// unpack writes a folder of bases to the disk and returns it with a digest of its files.
func unpack(name string) (dir, sum string, err error) {
	if dir, err = os.MkdirTemp("/run", "base-"); err != nil {
		return "", "", err
	}
	files, err := fs.Sub(bases, "bases/"+name)
	if err != nil {
		return "", "", err
	}
	if err := os.CopyFS(dir, files); err != nil {
		return "", "", err
	}
	all := sha256.New()
	err = fs.WalkDir(files, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := fs.ReadFile(files, path)
		fmt.Fprintf(all, "%s %s", path, text)
		return err
	})
	return dir, hex.EncodeToString(all.Sum(nil)), err
}

func hexDigest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// digest is that of a file.
func digest(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := sha256.New()
	_, err = io.Copy(sum, f)
	return hex.EncodeToString(sum.Sum(nil)), err
}
