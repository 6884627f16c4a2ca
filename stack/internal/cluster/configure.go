package cluster

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	texttemplate "text/template"
)

// volumes is the number of volumes that claims of pods can get. The cluster has no storage class.
const volumes = 10

//go:embed files
var files embed.FS

// configure writes the certificates and configurations of a new run.
func (c *Cluster) configure(context.Context) error {
	if err := os.RemoveAll(c.in()); err != nil {
		return err
	}
	for _, dir := range []string{"etc/cni", "var-lib/kubelet", "var-log", "logs", "pids"} {
		if err := os.MkdirAll(c.in(filepath.FromSlash(dir)), 0o755); err != nil {
			return err
		}
	}
	for n := range volumes {
		dir := c.in("var-lib", "volumes", strconv.Itoa(n))
		// The group of a pod gets rights when the volume is mounted.
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	return errors.Join(writeCertificates(c.in("pki")),
		os.WriteFile(c.etc("hosts"), []byte("127.0.0.1 localhost\n"+NodeAddress+" "+nodeName+"\n"), 0o600),
		// Programs in the node find services as those in pods of the platform do. Pods of the node itself do not.
		os.WriteFile(c.etc("resolv.conf"), []byte("search sidecart.svc.cluster.local svc.cluster.local cluster.local\n"+
			"nameserver "+dnsService+"\noptions ndots:5\n"), 0o600),
		os.WriteFile(c.etc("resolv-pods.conf"), []byte("nameserver 127.0.0.1\n"), 0o600),
		c.write("containerd.toml", "containerd.toml"), c.write("kubelet.yaml", "kubelet.yaml"),
		c.write("proxy.yaml", "proxy.yaml"), c.write("bridge.conflist", "cni/bridge.conflist"),
		c.write("coredns.yaml", "coredns.yaml"), c.write("volumes.yaml", "volumes.yaml"))
}

// write writes a configuration from its template.
func (c *Cluster) write(from, to string) error {
	t, err := texttemplate.ParseFS(files, "files/"+from)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	err = t.Execute(&out, map[string]any{
		"PKI": c.in("pki"), "Etc": c.in("etc"), "CNI": c.Path("debian", "usr", "lib", "cni"),
		"DNS": dnsService, "Pods": podNet, "Node": nodeName, "Volumes": make([]struct{}, volumes),
	})
	if err != nil {
		return err
	}
	return os.WriteFile(c.etc(to), out.Bytes(), 0o600)
}
