package cluster

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// daemon is a program of the node.
type daemon struct {
	name string
	args []string
}

// supervisor starts daemons, starts them again when they end, and reaps the orphans of the node.
type supervisor struct {
	*Cluster
	mu      sync.Mutex
	running map[int]daemon // by process number inside of the node
}

// supervise runs the daemons. Those that need the API server start when it is ready: the controller manager ends
// without it, and the others would fill their logs.
func (c *Cluster) supervise() error {
	s := &supervisor{Cluster: c, running: map[int]daemon{}}
	daemons := append([]daemon{{"containerd", []string{"-c", c.etc("containerd.toml")}}}, c.server()...)
	if c.serverOnly {
		daemons = c.server()
	}
	for _, d := range daemons {
		if err := s.start(d); err != nil {
			return err
		}
	}
	go func() {
		if c.serverOnly {
			return
		}
		c.awaitReadyz()
		for _, d := range c.clients() {
			s.keep(d)
		}
	}()
	for {
		pid, err := syscall.Wait4(-1, nil, 0, nil)
		switch {
		case errors.Is(err, syscall.ECHILD):
			time.Sleep(100 * time.Millisecond) // nothing runs
			continue
		case err != nil:
			continue // interrupted
		}
		s.mu.Lock()
		d, known := s.running[pid]
		delete(s.running, pid)
		s.mu.Unlock()
		if known {
			fmt.Printf("%s %s ended; it starts again\n", time.Now().Format(time.TimeOnly), d.name)
			time.AfterFunc(time.Second, func() { s.keep(d) })
		}
	}
}

// keep starts a daemon, and retries.
func (s *supervisor) keep(d daemon) {
	if err := s.start(d); err != nil {
		fmt.Println(d.name+":", err)
		time.AfterFunc(time.Second, func() { s.keep(d) })
	}
}

func (s *supervisor) start(d daemon) error {
	path, err := exec.LookPath(d.name)
	if err != nil {
		return err
	}
	log, err := os.OpenFile(s.logFile(d.name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	s.mu.Lock() // so that its end is not seen before its start
	defer s.mu.Unlock()
	p, err := os.StartProcess(path, append([]string{d.name}, d.args...), &os.ProcAttr{
		Dir: "/", Env: os.Environ(), Files: []*os.File{nil, log, log},
	})
	if err != nil {
		return err
	}
	s.running[p.Pid] = d
	pid := []byte(strconv.Itoa(p.Pid))
	return errors.Join(os.WriteFile(s.in("pids", d.name), pid, 0o600), p.Release())
}

// awaitReadyz waits for the API server.
func (c *Cluster) awaitReadyz() {
	roots := x509.NewCertPool()
	if text, err := os.ReadFile(c.pki("ca.crt")); err == nil {
		roots.AppendCertsFromPEM(text)
	}
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
	}}
	request := &http.Request{Method: http.MethodGet, URL: &url.URL{Scheme: "https", Host: NodeAddress + ":6443", Path: "/readyz"}}
	for ; ; time.Sleep(200 * time.Millisecond) {
		res, err := client.Do(request)
		if err != nil {
			continue
		}
		if res.Body.Close() == nil && res.StatusCode == http.StatusOK {
			return
		}
	}
}

func (c *Cluster) pki(file string) string { return c.in("pki", file) }

func (c *Cluster) etc(file string) string { return c.in("etc", file) }

// server is the API server and its store.
func (c *Cluster) server() []daemon {
	const peer, client = "http://127.0.0.1:2380", "http://127.0.0.1:2379"
	return []daemon{
		{"etcd", []string{
			"--name", nodeName, "--data-dir", "/var/lib/etcd", "--listen-client-urls", client, "--advertise-client-urls", client,
			"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", nodeName + "=" + peer,
		}},
		{"kube-apiserver", []string{
			"--advertise-address", NodeAddress, "--bind-address", "0.0.0.0", "--secure-port", "6443", "--etcd-servers", client,
			"--service-cluster-ip-range", serviceNet, "--client-ca-file", c.pki("ca.crt"),
			"--tls-cert-file", c.pki("apiserver.crt"), "--tls-private-key-file", c.pki("apiserver.key"),
			"--service-account-issuer", "https://kubernetes.default.svc.cluster.local",
			"--service-account-key-file", c.pki("sa.pub"), "--service-account-signing-key-file", c.pki("sa.key"),
			"--kubelet-client-certificate", c.pki("kubelet-client.crt"), "--kubelet-client-key", c.pki("kubelet-client.key"),
			"--kubelet-certificate-authority", c.pki("ca.crt"), "--authorization-mode", "Node,RBAC",
			"--enable-admission-plugins", "NodeRestriction", "--allow-privileged", "--profiling=false",
		}},
	}
}

// clients are the daemons that need the API server.
func (c *Cluster) clients() []daemon {
	return []daemon{
		{"kube-controller-manager", []string{
			"--kubeconfig", c.pki("controller-manager.kubeconfig"), "--use-service-account-credentials",
			"--root-ca-file", c.pki("ca.crt"), "--service-account-private-key-file", c.pki("sa.key"),
			"--cluster-signing-cert-file", c.pki("ca.crt"), "--cluster-signing-key-file", c.pki("ca.key"),
			"--leader-elect=false", "--allocate-node-cidrs=false", "--bind-address", "127.0.0.1",
		}},
		{"kube-scheduler", []string{
			"--kubeconfig", c.pki("scheduler.kubeconfig"), "--leader-elect=false", "--bind-address", "127.0.0.1",
		}},
		{"kubelet", []string{
			"--config", c.etc("kubelet.yaml"), "--kubeconfig", c.pki("kubelet.kubeconfig"), "--hostname-override", nodeName,
			"--node-ip", NodeAddress, "--root-dir", "/var/lib/kubelet",
		}},
		{"kube-proxy", []string{"--config", c.etc("proxy.yaml")}},
	}
}
