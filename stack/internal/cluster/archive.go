package cluster

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// image is what a container image consists of.
type image struct {
	files       map[string]string // in the image: on this machine
	links       map[string]string // symbolic links in the image
	dirs        map[string]int64  // empty folders, and the number of their owner; every user may write to those of root
	entry, args []string
	user        string
	env         []string
}

// stamp identifies the content: it changes when a file does.
func (m image) stamp() (string, error) {
	sum := sha256.New()
	if err := json.NewEncoder(sum).Encode([]any{m.links, m.dirs, m.entry, m.args, m.user, m.env}); err != nil {
		return "", err
	}
	for _, to := range slices.Sorted(maps.Keys(m.files)) {
		info, err := os.Stat(m.files[to])
		if err != nil {
			return "", err
		}
		fmt.Fprintln(sum, to, m.files[to], info.Size(), info.ModTime().UnixNano(), info.Mode())
	}
	return fmt.Sprintf("%x", sum.Sum(nil)), nil
}

// writeArchive writes an image as `docker save` does, with one layer, under a name.
func (m image) writeArchive(file, name string) (err error) {
	layer, err := os.CreateTemp(filepath.Dir(file), "layer")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, layer.Close(), os.Remove(layer.Name())) }()
	sum := sha256.New()
	if err := m.writeLayer(io.MultiWriter(layer, sum)); err != nil {
		return err
	}
	config, err := json.Marshal(map[string]any{
		"architecture": "amd64", "os": "linux",
		"config": map[string]any{
			"Entrypoint": m.entry, "Cmd": m.args, "User": m.user, "Env": append([]string{"PATH=" + imagePath}, m.env...),
		},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{fmt.Sprintf("sha256:%x", sum.Sum(nil))}},
	})
	if err != nil {
		return err
	}
	configFile := fmt.Sprintf("%x.json", sha256.Sum256(config))
	return join(file, name, configFile, config, layer)
}

// join writes the archive of a configuration and a layer.
func join(file, name, configFile string, config []byte, layer *os.File) (err error) {
	manifest, err := json.Marshal([]any{map[string]any{
		"Config": configFile, "RepoTags": []string{name}, "Layers": []string{"layer.tar"},
	}})
	if err != nil {
		return err
	}
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	w := tar.NewWriter(out)
	size, err := layer.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	if _, err := layer.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return errors.Join(add(w, configFile, int64(len(config)), strings.NewReader(string(config))),
		add(w, "layer.tar", size, layer),
		add(w, "manifest.json", int64(len(manifest)), strings.NewReader(string(manifest))), w.Close())
}

const imagePath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/lib/postgresql/15/bin"

func add(w *tar.Writer, name string, size int64, content io.Reader) error {
	if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: size}); err != nil {
		return err
	}
	_, err := io.Copy(w, content)
	return err
}

// writeLayer writes the image's files.
func (m image) writeLayer(out io.Writer) error {
	l := layer{Writer: tar.NewWriter(out), seen: map[string]bool{"/": true}}
	for _, dir := range slices.Sorted(maps.Keys(m.dirs)) {
		if err := l.dir(dir, int(m.dirs[dir])); err != nil {
			return err
		}
	}
	for _, from := range slices.Sorted(maps.Keys(m.links)) {
		l.seen[from] = true
		if err := l.header(tar.Header{Typeflag: tar.TypeSymlink, Name: from, Linkname: m.links[from], Mode: 0o777}); err != nil {
			return err
		}
	}
	for _, to := range slices.Sorted(maps.Keys(m.files)) {
		if err := l.file(to, m.files[to]); err != nil {
			return err
		}
	}
	return l.Close()
}

type layer struct {
	*tar.Writer
	seen map[string]bool
}

func (l layer) header(h tar.Header) error {
	h.Name, h.ModTime = strings.TrimPrefix(h.Name, "/"), time.Unix(0, 0)
	return l.WriteHeader(&h)
}

// dir writes a folder and those around it. Every user may write to a folder of root; -1 is a folder for root alone.
func (l layer) dir(name string, owner int) error {
	if l.seen[name] {
		return nil
	}
	if err := l.dir(path.Dir(name), -1); err != nil {
		return err
	}
	l.seen[name] = true
	mode := int64(0o755)
	if owner == 0 {
		mode = 0o1777
	}
	owner = max(0, owner)
	return l.header(tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: mode, Uid: owner, Gid: owner})
}

func (l layer) file(to, from string) error {
	if err := l.dir(path.Dir(to), -1); err != nil {
		return err
	}
	f, err := os.Open(from)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	mode := int64(info.Mode().Perm() | 0o444)
	if err := l.header(tar.Header{Typeflag: tar.TypeReg, Name: to, Mode: mode, Size: info.Size()}); err != nil {
		return err
	}
	_, err = io.Copy(l, f)
	return err
}
