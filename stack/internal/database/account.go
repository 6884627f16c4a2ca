package database

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// account is the system user that a server runs as. Postgres refuses to run as root.
type account struct {
	switchUser bool // we are root
	uid, gid   uint32
	caps       []uintptr // let that user reach the data folder through folders closed to it, such as /root
}

func accountFor(data string) (account, error) {
	if os.Geteuid() != 0 {
		return account{}, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		if u, err = user.Lookup("nobody"); err != nil {
			return account{}, errors.New("Postgres refuses to run as root, and there is no user postgres or nobody")
		}
	}
	uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
	a := account{switchUser: true, uid: uint32(uid), gid: uint32(gid)}
	if err := errors.Join(err1, err2); err != nil || reachable(filepath.Dir(data)) {
		return a, err
	}
	for _, c := range []uintptr{unix.CAP_DAC_READ_SEARCH, unix.CAP_DAC_OVERRIDE} {
		if hasCapability(c) {
			a.caps = []uintptr{c}
			return a, nil
		}
	}
	return a, fmt.Errorf("the user %s, who must run Postgres, cannot enter %s: "+
		"move the repository, or open its folders with chmod o+x", u.Username, filepath.Dir(data))
}

// attr makes a process run as the account, in its own process group.
func (a account) attr() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setpgid: true}
	if a.switchUser {
		attr.Credential = &syscall.Credential{Uid: a.uid, Gid: a.gid}
		attr.AmbientCaps = a.caps
	}
	return attr
}

// chown makes the account the owner of a file or folder.
func (a account) chown(path string) error {
	if !a.switchUser {
		return nil
	}
	return os.Lchown(path, int(a.uid), int(a.gid))
}

// writeFile writes a file that only the account can read.
func (a account) writeFile(path, text string) error {
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return err
	}
	return a.chown(path)
}

// reachable reports whether every user can enter the folder.
func reachable(dir string) bool {
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

// hasCapability reports whether this process can pass a capability on.
func hasCapability(capability uintptr) bool {
	var sets [2]unix.CapUserData
	err := unix.Capget(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &sets[0])
	return err == nil && sets[capability/32].Effective&(1<<(capability%32)) != 0
}
