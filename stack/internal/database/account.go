package database

import (
	"errors"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// account is the system user that a server runs as. Postgres refuses to run as root.
type account struct {
	drop     bool // we are root and must become somebody else
	uid, gid uint32
	caps     []uintptr // lets that user reach the data folder through folders closed to it, such as /root
}

func accountFor(data string) (account, error) {
	if os.Geteuid() != 0 {
		return account{}, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		if u, err = user.Lookup("nobody"); err != nil {
			return account{}, errors.New("Postgres refuses root, and there is no user postgres or nobody to run it as")
		}
	}
	uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
	a := account{drop: true, uid: uint32(uid), gid: uint32(gid)}
	if open(filepath.Dir(data)) {
		return a, errors.Join(err1, err2)
	}
	for _, c := range []uintptr{unix.CAP_DAC_READ_SEARCH, unix.CAP_DAC_OVERRIDE} {
		if have(c) {
			a.caps = []uintptr{c}
			return a, errors.Join(err1, err2)
		}
	}
	return a, errors.New(filepath.Dir(data) + " is closed to the user " + u.Username + ", who must run Postgres: move the repository, or open its folders with chmod o+x")
}

// attr makes a process run as the account, in a group of its own.
func (a account) attr() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setpgid: true}
	if a.drop {
		attr.Credential = &syscall.Credential{Uid: a.uid, Gid: a.gid}
		attr.AmbientCaps = a.caps
	}
	return attr
}

// own gives a file or folder to the account, with all that is in it.
func (a account) own(path string) error {
	if !a.drop {
		return nil
	}
	return filepath.WalkDir(path, func(p string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(p, int(a.uid), int(a.gid))
	})
}

// open says whether every folder on the way lets everybody pass.
func open(dir string) bool {
	for {
		info, err := os.Stat(dir)
		if err != nil || info.Mode().Perm()&0o001 == 0 {
			return false
		}
		if dir == filepath.Dir(dir) {
			return true
		}
		dir = filepath.Dir(dir)
	}
}

// have says whether this process may hand on a capability.
func have(capability uintptr) bool {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return false
	}
	for _, line := range strings.Split(string(text), "\n") {
		if hex, ok := strings.CutPrefix(line, "CapEff:"); ok {
			set, err := strconv.ParseUint(strings.TrimSpace(hex), 16, 64)
			return err == nil && set&(1<<capability) != 0
		}
	}
	return false
}
