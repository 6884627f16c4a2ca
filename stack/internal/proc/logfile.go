package proc

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// Rotate renames the logs of the last run to *.log.1, except one.
func Rotate(dir, except string) error {
	logs, err := filepath.Glob(filepath.Join(dir, "*.log"))
	for _, path := range logs {
		if filepath.Base(path) != except {
			err = errors.Join(err, os.Rename(path, path+".1"))
		}
	}
	return err
}

// Truncate moves the content of a log in use to *.log.1 once it has limit bytes, so that it cannot fill the disk.
func Truncate(path string, limit int64) error {
	if info, err := os.Stat(path); err != nil || info.Size() < limit {
		return err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := os.WriteFile(path+".1", text, 0o600); err != nil {
		return err
	}
	return os.Truncate(path, 0) // its writers append, so they continue at the new end
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
