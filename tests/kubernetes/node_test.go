package kubernetes

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"sidecart/tests/client"
	"sidecart/tests/e2e"
	"sidecart/tests/invariants"
	"sidecart/tests/platform"
)

const gateway = "http://gateway:8000"

var (
	services  = []string{"gateway", "users", "products", "orders", "notifications"}
	orderBody = strings.Replace(e2e.Order, `"quantity":2`, `"quantity":1`, 1)
)

// TestInNode is the part of TestPlatform that runs in the node, where the cluster's addresses are reachable.
func TestInNode(t *testing.T) {
	if os.Getenv(inNode) == "" {
		t.Skip("TestPlatform runs it")
	}
	t.Cleanup(func() {
		if t.Failed() {
			state(t)
		}
	})
	awaitReady(t)
	shop := e2e.FirstOrder(t, gateway)
	t.Log("the first order is paid")
	product, order := stocked(t, shop)
	l := startLoad(t, shop, product, order)
	defer l.end()

	scenarios := []scenario{
		{"a rolling update", rollingUpdate},
		{"one replica, three, one", func(t *testing.T) { scale(t, l) }},
	}
	if os.Getenv(whole) == "all" {
		scenarios = append(scenarios, scenario{"pods are deleted", deletePods},
			scenario{"programs of the cluster restart", restartCluster},
			scenario{"Dapr's control plane restarts", restartDapr})
	}
	for _, s := range scenarios {
		t.Run(s.name, func(t *testing.T) {
			l.signIn(t)
			l.during(t, func() { s.run(t) })
		})
	}
	t.Run("pods are killed", func(t *testing.T) {
		l.signIn(t)
		killPods(t, l)
	})
	l.end()
	t.Run("every order is paid", func(t *testing.T) {
		if len(l.orders) == 0 {
			t.Fatal("no order was placed")
		}
		l.signIn(t)
		for _, id := range l.orders {
			e2e.AwaitStatus(t, l.buyer(), id, "paid")
		}
		t.Logf("%d orders", len(l.orders))
	})
	t.Run("a backup", backup)
	if os.Getenv(whole) == "all" {
		t.Run("seed", seed)
	}
	t.Run("invariants", invariantsHold)
}

// scenario is what happens to the platform under load without a failed request.
type scenario struct {
	name string
	run  func(t *testing.T)
}

// stocked creates a product with much stock, and an order of it.
func stocked(t *testing.T, shop client.Client) (product int64, order string) {
	t.Helper()
	var p struct{ ID int64 }
	must(t, shop.Call(t.Context(), "POST /api/v1/products", client.Raw(strings.NewReplacer(
		"WH-001", "WH-LOAD", `"initial_quantity":50`, `"initial_quantity":1000000`).Replace(e2e.Product)), 201, &p))
	var o client.Order
	body := strings.Replace(orderBody, `"product_id":1`, fmt.Sprintf(`"product_id":%d`, p.ID), 1)
	must(t, shop.Call(t.Context(), "POST /api/v1/orders", client.Raw(body), 201, &o))
	e2e.AwaitStatus(t, shop, o.ID, "paid")
	return p.ID, o.ID
}

// in are the arguments of kubectl for the platform's namespace.
func in(args ...string) []string { return append([]string{"--namespace", namespace}, args...) }

func deployments(names []string) (all []string) {
	for _, name := range names {
		all = append(all, "deployment/"+name)
	}
	return all
}

// awaitReady waits until a platform that starts can be used: for its stores, and a replica of each service.
func awaitReady(t *testing.T) {
	t.Helper()
	for _, object := range []string{"statefulset/postgres", "statefulset/redis"} {
		kubectl(t, in("rollout", "status", object, "--timeout=300s")...)
	}
	awaitReplicas(t, 1, services...)
}

// awaitReplicas waits until that many replicas of each service are ready. That they have been ready for some time
// (minReadySeconds), only a rolling update waits for.
func awaitReplicas(t *testing.T, replicas int, names ...string) {
	t.Helper()
	kubectl(t, in(append([]string{"wait", "--timeout=300s", fmt.Sprintf("--for=jsonpath={.status.readyReplicas}=%d", replicas)},
		deployments(names)...)...)...)
}

// awaitRollouts waits until new replicas of these services have replaced the old ones, which may still stop.
func awaitRollouts(t *testing.T, names ...string) {
	t.Helper()
	for _, object := range deployments(names) {
		kubectl(t, in("rollout", "status", object, "--timeout=300s")...)
	}
}

// awaitEnded waits until no old replica ends any more: as long as it does, it may get requests.
func awaitEnded(t *testing.T) {
	t.Helper()
	platform.Eventually(t, 2*time.Minute, func() error {
		if out := kubectl(t, in("get", "pods", "-l", "app.kubernetes.io/component=service", "--no-headers")...); strings.Contains(out, "Terminating") {
			return fmt.Errorf("pods still end:\n%s", out)
		}
		return nil
	})
}

// rollingUpdate replaces all replicas. The old ones still end when the next scenario begins, which is under load, too.
func rollingUpdate(t *testing.T) {
	kubectl(t, in(append([]string{"rollout", "restart"}, deployments(services)...)...)...)
	awaitRollouts(t, services...)
}

func scale(t *testing.T, l *load) {
	names := []string{"gateway", "products", "orders"}
	scaleTo(t, 3, names...)
	l.more(t, 200) // all three get some
	scaleTo(t, 1, names...)
	awaitEnded(t)
}

func scaleTo(t *testing.T, replicas int, names ...string) {
	t.Helper()
	kubectl(t, in(append([]string{"scale", "--replicas", strconv.Itoa(replicas)}, deployments(names)...)...)...)
	awaitReplicas(t, replicas, names...)
}

// deletePods deletes a replica of each service, as a drained node does. With one, none would respond meanwhile.
func deletePods(t *testing.T) {
	scaleTo(t, 2, services...)
	awaitRollouts(t, services...)
	var names []string
	for _, service := range services {
		names = append(names, pods(t, service)[0])
	}
	kubectl(t, in(append([]string{"delete", "pod", "--wait=false"}, names...)...)...)
	awaitRollouts(t, services...)
	awaitEnded(t)
}

// pods are the names of a service's pods.
func pods(t *testing.T, service string) []string {
	t.Helper()
	out := kubectl(t, in("get", "pods", "-l", "app.kubernetes.io/name="+service, "-o", "name")...)
	names := strings.Fields(strings.ReplaceAll(out, "pod/", ""))
	if len(names) == 0 {
		t.Fatalf("%s has no pod", service)
	}
	return names
}

// restartCluster kills the programs of the cluster. The node starts them again, and the platform does not notice.
func restartCluster(t *testing.T) {
	for _, name := range []string{
		"kube-apiserver", "etcd", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "containerd",
	} {
		file := root(t) + "/.sidecart/kube/node/pids/" + name
		before, err := os.ReadFile(file)
		must(t, err)
		pid, err := strconv.Atoi(string(before))
		must(t, err)
		must(t, syscall.Kill(pid, syscall.SIGKILL))
		platform.Eventually(t, time.Minute, func() error {
			if now, err := os.ReadFile(file); err != nil || string(now) == string(before) {
				return fmt.Errorf("%s has not started again: %w", name, err)
			}
			return nil
		})
	}
	platform.Eventually(t, 2*time.Minute, func() error {
		return tryKubectl(t, "wait", "--for=condition=Ready", "node", "--all", "--timeout=5s")
	})
	rollingUpdate(t) // the restarted programs work: controllers, scheduler, kubelet, proxy, containerd
}

func restartDapr(t *testing.T) {
	objects := strings.Fields(kubectl(t, "get", "deployments,statefulsets", "-n", "dapr-system", "-o", "name"))
	kubectl(t, append([]string{"rollout", "restart", "-n", "dapr-system"}, objects...)...)
	for _, object := range objects {
		kubectl(t, "rollout", "status", "-n", "dapr-system", object, "--timeout=300s")
	}
	rollingUpdate(t) // new sidecars are injected, and get certificates
}

// killPods kills pods without a warning: a replica of each service together, then Redis and Postgres, of which there is
// one. Requests may fail then. Afterwards they succeed again, and no order is lost.
func killPods(t *testing.T, l *load) {
	requests, again, failed := l.counts()
	for _, group := range [][]string{services, {"redis", "postgres"}} {
		var names []string
		for _, name := range group {
			names = append(names, pods(t, name)[0])
		}
		kubectl(t, in(append([]string{"delete", "pod", "--grace-period=0", "--force", "--ignore-not-found"}, names...)...)...) // one may have ended
		platform.Eventually(t, 3*time.Minute, func() error {
			return tryKubectl(t, in("wait", "--for=condition=Ready", "pod", "--all", "--timeout=10s")...)
		})
	}
	r, a, f := l.counts()
	t.Logf("%d requests, %d sent twice, %d failed", r-requests, a-again, f-failed)
	well := func() error {
		before, _, failed := l.counts()
		for began := time.Now(); time.Since(began) < 5*time.Second; time.Sleep(readEvery) {
			if _, _, now := l.counts(); now > failed {
				return fmt.Errorf("requests fail: %s", l.failure(now-1))
			}
		}
		if after, _, _ := l.counts(); after == before {
			return fmt.Errorf("no request has a response")
		}
		return nil
	}
	platform.Eventually(t, 2*time.Minute, well)
}

// invariantsHold within two minutes after the last kill: nothing is sold twice or lost, and no buyer pays twice.
func invariantsHold(t *testing.T) {
	d, err := invariants.Open(t.Context(), databaseURL(t))
	must(t, err)
	defer func() { must(t, d.Close()) }()
	var results []invariants.Result
	platform.Eventually(t, 2*time.Minute, func() (err error) {
		if results, err = d.Check(t.Context(), 0); err != nil {
			return err
		}
		return invariants.Wrong(results)
	})
	for _, r := range results {
		t.Logf("%-75s %d checked", r.Rule, r.Checked)
	}
}

// databaseURL reads secrets from the file that a service's sidecar has.
func databaseURL(t *testing.T) func(string) (string, error) {
	return func(name string) (string, error) {
		service := strings.TrimSuffix(name, "-database-url")
		text := kubectl(t, in("get", "secret", service, "-o", `jsonpath={.data.secrets\.json}`)...)
		file, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return "", err
		}
		var secrets map[string]string
		if err := json.Unmarshal(file, &secrets); err != nil {
			return "", err
		}
		return secrets[name], nil
	}
}
