package manifest_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"sidecart/tools/deploygen/deploy"
)

type object = map[string]any

func read(t *testing.T, path string, into any) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, path))
	if err == nil {
		err = yaml.Unmarshal(text, into)
	}
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// TestConfigurations: the configuration of each sidecar is dapr/config/<app>.yaml, with the platform's namespace, and
// without what a cluster has itself.
func TestConfigurations(t *testing.T) {
	for _, dir := range []string{local, production} {
		all := render(t, dir)
		for _, a := range platform(t).Apps {
			var want, got struct{ Spec object }
			read(t, "dapr/config/"+a.ID+".yaml", &want)
			find(t, all, "Configuration", a.ID, &got)
			delete(want.Spec, "mtls")
			delete(want.Spec, "nameResolution")
			want.Spec["tracing"].(object)["samplingRate"] = got.Spec["tracing"].(object)["samplingRate"]
			want.Spec["metrics"].(object)["enabled"] = true
			policies, _ := want.Spec["accessControl"].(object)["policies"].([]any)
			for _, p := range policies {
				p.(object)["namespace"] = deploy.KubernetesNamespace
			}
			if !reflect.DeepEqual(got.Spec, want.Spec) {
				t.Errorf("%s: the configuration of %s is\n%v\nwant\n%v", dir, a.ID, got.Spec, want.Spec)
			}
		}
		for _, r := range all {
			if r.Namespace != deploy.KubernetesNamespace && r.Name != "Namespace" {
				t.Errorf("%s: %s %s is in the namespace %q", dir, r.Name, r.Resource, r.Namespace)
			}
		}
	}
}

type component struct {
	Spec struct {
		Type     string
		Metadata []object
	}
	Scopes []string
	Auth   struct {
		Store string `yaml:"secretStore"`
	}
}

// TestComponents: the components are those of components/compose, with the same scopes. Production has other addresses.
func TestComponents(t *testing.T) {
	described, err := platform(t).Components()
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{local, production} {
		all := render(t, dir)
		for _, d := range described {
			var want, got component
			if err := yaml.Unmarshal([]byte(d.Text), &want); err != nil {
				t.Fatal(err)
			}
			find(t, all, "Component", d.Name, &got)
			if dir == production && d.Values["redisHost"] != "" {
				i := slices.IndexFunc(want.Spec.Metadata, func(m object) bool { return m["name"] == "redisHost" })
				want.Spec.Metadata[i]["value"] = "redis.internal.example.com:6379"
				if !slices.ContainsFunc(want.Spec.Metadata, func(m object) bool { return m["name"] == "enableTLS" && m["envRef"] == "REDIS_TLS" }) {
					t.Errorf("component %s does not follow REDIS_TLS", d.Name)
				}
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%s: component %s is\n%v\nwant\n%v", dir, d.Name, got, want)
			}
			if len(got.Scopes) == 0 {
				t.Errorf("%s: component %s is for every app", dir, d.Name)
			}
		}
		count := 0
		for _, r := range all {
			if r.Name == "Component" {
				count++
			}
		}
		if count != len(described) || count < 10 {
			t.Errorf("%s has %d components, want %d", dir, count, len(described))
		}
	}
}

type rule struct {
	From, To []struct {
		Pods object `yaml:"podSelector"`
	}
	Ports []struct{ Port any }
}

type networkPolicy struct {
	Spec struct {
		Pods            object   `yaml:"podSelector"`
		Types           []string `yaml:"policyTypes"`
		Ingress, Egress []rule
	}
}

// named are the pods that rules name by app.kubernetes.io/name, each with a port: "users:50002".
func named(rules []rule) map[string]bool {
	found := map[string]bool{}
	for _, r := range rules {
		for _, peer := range slices.Concat(r.From, r.To) {
			expressions, _ := peer.Pods["matchExpressions"].([]any)
			for _, e := range expressions {
				for _, value := range e.(object)["values"].([]any) {
					for _, port := range r.Ports {
						found[fmt.Sprintf("%v:%v", value, port.Port)] = true
					}
				}
			}
		}
	}
	return found
}

// TestSidecarsCallSidecars: the network lets those call an app that its access list names, on the sidecars' port, and
// what one side sends the other receives.
func TestSidecarsCallSidecars(t *testing.T) {
	p := platform(t)
	for _, dir := range []string{local, production} {
		all := render(t, dir)
		sent, received := map[string]bool{}, map[string]bool{}
		for _, a := range p.Apps {
			var policy networkPolicy
			find(t, all, "NetworkPolicy", a.ID, &policy)
			if !slices.Equal(policy.Spec.Types, []string{"Ingress", "Egress"}) {
				t.Errorf("%s: the policy of %s is of %v", dir, a.ID, policy.Spec.Types)
			}
			want := map[string]bool{}
			for _, caller := range a.Callers {
				want[fmt.Sprintf("%s:%d", caller, deploy.InternalPort)] = true
			}
			if a.Actors() {
				want[fmt.Sprintf("%s:%d", a.ID, deploy.InternalPort)] = true
			}
			if got := named(policy.Spec.Ingress); !maps.Equal(got, want) {
				t.Errorf("%s: %s is called by %v, want %v", dir, a.ID, got, want)
			}
			for peer := range named(policy.Spec.Ingress) {
				received[peer+"<-"+a.ID] = true
				caller, port, _ := strings.Cut(peer, ":")
				sent[a.ID+":"+port+"<-"+caller] = true
			}
			for peer := range named(policy.Spec.Egress) {
				received[peer+"->"+a.ID] = true
			}
		}
		for edge := range sent {
			if !received[strings.Replace(edge, "<-", "->", 1)] {
				t.Errorf("%s: the callee accepts %s, and the caller may not send it", dir, edge)
			}
		}
		var denied networkPolicy
		find(t, all, "NetworkPolicy", "default-deny", &denied)
		if len(denied.Spec.Pods) != 0 || len(denied.Spec.Types) != 2 || denied.Spec.Ingress != nil || denied.Spec.Egress != nil {
			t.Errorf("%s: what no policy lists is not denied: %+v", dir, denied)
		}
	}
}

// TestClients: only services that use Postgres, Redis, mail or the internet have the label by which the network lets
// them.
func TestClients(t *testing.T) {
	p := platform(t)
	all := render(t, production)
	for _, a := range p.Apps {
		var deployment workload
		find(t, all, "Deployment", a.ID, &deployment)
		checkSubset(t, "annotations of "+a.ID, deployment.Spec.Template.Metadata.Annotations, map[string]string{"dapr.io/env": "REDIS_TLS=true"})
		if a.LocalValue("REDIS_ADDR") != "" {
			checkSubset(t, "environment of "+a.ID, variables(deployment.Spec.Template.Spec.Containers[0]), map[string]string{"REDIS_TLS": "true"})
		}
		checkSubset(t, "labels of "+a.ID, deployment.Spec.Template.Metadata.Labels, map[string]string{
			"sidecart/postgres": fmt.Sprint(a.HasDatabase()), "sidecart/redis": fmt.Sprint(a.UsesRedis()),
			"sidecart/internet": fmt.Sprint(a.Size.Outside), "sidecart/mail": fmt.Sprint(a.Reads("SMTP_ADDR")),
			"app.kubernetes.io/component": "service",
		})
	}
	for policy, label := range map[string]string{
		"postgres-clients": "sidecart/postgres", "redis-clients": "sidecart/redis", "internet": "sidecart/internet", "mail-clients": "sidecart/mail",
	} {
		var got networkPolicy
		find(t, all, "NetworkPolicy", policy, &got)
		labels, _ := got.Spec.Pods["matchLabels"].(object)
		if len(labels) != 1 || labels[label] != "true" || len(got.Spec.Egress) != 1 || len(got.Spec.Egress[0].Ports) == 0 {
			t.Errorf("the policy %s is for %v, with %+v", policy, labels, got.Spec.Egress)
		}
	}
}
