package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// packages of Debian are unpacked, and not installed.
var packages = []string{
	"etcd-server", "containerd", "runc", "containernetworking-plugins", "iptables", "nftables", "libip4tc2", "libip6tc2",
	"libnfnetlink0", "libnetfilter-conntrack3", "libnftnl11", "libnftables1", "libxtables12", "libmnl0", "libjansson4",
	"libseccomp2",
}

const libraries = "usr/lib/x86_64-linux-gnu"

// unpackDebian downloads and unpacks the packages, once.
func (c *Cluster) unpackDebian(ctx context.Context) error {
	stamp, want := c.Path("debian", "packages"), strings.Join(packages, " ")
	if have, err := os.ReadFile(stamp); err == nil && string(have) == want {
		return nil
	}
	dir := c.Path("debian")
	if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o755)); err != nil {
		return err
	}
	err := c.log.Step("downloading Debian's etcd, containerd, runc, CNI plugins and iptables", "unpacking", func() error {
		download := append([]string{"-qq", "-o", "APT::Sandbox::User=root", "download"}, packages...)
		if err := inDir(ctx, dir, "apt-get", download...); err == nil {
			return nil
		}
		// The machine's lists may be missing, or older than the mirror.
		return errors.Join(inDir(ctx, dir, "apt-get", "-qq", "update"), inDir(ctx, dir, "apt-get", download...))
	})
	if err != nil {
		return fmt.Errorf("Debian's packages cannot be downloaded; is a mirror of Debian 12 in /etc/apt? %w", err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.deb"))
	if err != nil {
		return err
	}
	for _, file := range files {
		if err := errors.Join(inDir(ctx, dir, "dpkg", "-x", file, dir), os.Remove(file)); err != nil {
			return err
		}
	}
	return os.WriteFile(stamp, []byte(want), 0o600)
}

func inDir(ctx context.Context, dir, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", name, err, out)
	}
	return nil
}

// linkPrograms gives the programs the names by which others call them.
func (c *Cluster) linkPrograms() error {
	dir := c.Path("bin")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	links := map[string]string{"helm": c.kube.Helm}
	for _, name := range []string{
		"kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kubectl",
	} {
		links[name] = c.kube.Node
	}
	for _, name := range []string{
		"iptables", "iptables-save", "iptables-restore", "ip6tables", "ip6tables-save", "ip6tables-restore",
	} {
		links[name] = c.Path("debian", "usr", "sbin", "xtables-nft-multi")
	}
	for name, to := range links {
		link := filepath.Join(dir, name)
		if have, err := os.Readlink(link); err == nil && have == to {
			continue // another command may be using it
		}
		if err := errors.Join(os.RemoveAll(link), os.Symlink(to, link)); err != nil {
			return err
		}
	}
	return nil
}

func (c *Cluster) nodePath() string {
	return strings.Join([]string{
		c.Path("bin"), c.Path("debian", "usr", "bin"), c.Path("debian", "usr", "sbin"), c.Path("debian", "sbin"),
	}, ":")
}

// nodeEnv is the environment of programs in the node.
func (c *Cluster) nodeEnv() []string {
	return []string{
		"PATH=" + c.nodePath() + ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"LD_LIBRARY_PATH=" + c.Path("debian", libraries),
		"XTABLES_LIBDIR=" + c.Path("debian", libraries, "xtables"),
		"KUBECONFIG=" + c.in("pki", "admin.kubeconfig"),
	}
}
