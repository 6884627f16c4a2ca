package proc

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Rotate renames the logs of the last run to *.log.1, except those in keep.
func Rotate(dir string, keep ...string) error {
	logs, _ := filepath.Glob(filepath.Join(dir, "*.log"))
	var errs []error
	for _, path := range logs {
		if !slices.Contains(keep, filepath.Base(path)) {
			errs = append(errs, os.Rename(path, path+".1"))
		}
	}
	return errors.Join(errs...)
}

// Truncate moves the content of a log in use to *.log.1 once it has limit bytes, so that it cannot fill the disk.
func Truncate(path string, limit int64) error {
	info, err := os.Stat(path)
	if err != nil || info.Size() < limit {
		return nil
	}
	from, err := os.Open(path)
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := os.Create(path + ".1")
	if err != nil {
		return err
	}
	_, err = io.Copy(to, from)
	return errors.Join(err, to.Close(), os.Truncate(path, 0)) // its writers append, so they continue at the new end
}

// Tail is the end of a log, at most n bytes, from the beginning of a line.
func Tail(path string, n int64) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return ""
	}
	skip := max(0, info.Size()-n)
	text, _ := io.ReadAll(io.NewSectionReader(f, skip, n))
	if skip > 0 {
		_, rest, _ := strings.Cut(string(text), "\n")
		return rest
	}
	return string(text)
}

func lastLine(path string) string {
	text := strings.TrimSpace(Tail(path, 2000))
	line := text[strings.LastIndexByte(text, '\n')+1:]
	if len(line) > 300 {
		line = line[:300] + "..."
	}
	return line
}
