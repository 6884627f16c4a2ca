package manifest_test

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"sidecart/tools/deploygen/deploy"
	"sidecart/tools/kubernetes/manifest"
)

const (
	root       = "../../.."
	local      = "deploy/kubernetes/overlays/local"
	production = "deploy/kubernetes/overlays/production"
)

func platform(t *testing.T) deploy.Platform {
	t.Helper()
	p, err := deploy.Read(root)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func render(t *testing.T, dir string) []manifest.Resource {
	t.Helper()
	all, err := manifest.Render(root, dir)
	if err != nil {
		t.Fatalf("%s: %v", dir, err)
	}
	if len(all) == 0 {
		t.Fatalf("%s has no resources", dir)
	}
	return all
}

// find reads one resource of a folder.
func find(t *testing.T, all []manifest.Resource, kind, name string, into any) {
	t.Helper()
	for _, r := range all {
		if r.Name == kind && r.Resource == name {
			if err := yaml.Unmarshal(r.YAML, into); err != nil {
				t.Fatal(err)
			}
			return
		}
	}
	t.Errorf("there is no %s %s", kind, name)
}

type template struct {
	Metadata struct{ Labels, Annotations map[string]string }
	Spec     pod
}

type pod struct {
	ServiceAccount  string `yaml:"serviceAccountName"`
	Automount       *bool  `yaml:"automountServiceAccountToken"`
	ServiceLinks    *bool  `yaml:"enableServiceLinks"`
	SecurityContext struct {
		RunAsNonRoot bool `yaml:"runAsNonRoot"`
		RunAsUser    int  `yaml:"runAsUser"`
		Seccomp      struct {
			Type string
		} `yaml:"seccompProfile"`
	} `yaml:"securityContext"`
	Spread     []struct{ TopologyKey string } `yaml:"topologySpreadConstraints"`
	Containers []container
	Volumes    []struct {
		Name   string
		Secret struct {
			Name string `yaml:"secretName"`
		}
		HostPath map[string]string `yaml:"hostPath"`
	}
}

type container struct {
	Name, Image     string
	ImagePullPolicy string `yaml:"imagePullPolicy"`
	Ports           []struct {
		Name string
		Port int `yaml:"containerPort"`
	}
	Env       []struct{ Name, Value string }
	Resources struct{ Requests, Limits map[string]string }
	Startup   probe `yaml:"startupProbe"`
	Readiness probe `yaml:"readinessProbe"`
	Liveness  probe `yaml:"livenessProbe"`
	Mounts    []struct {
		Name string
		Path string `yaml:"mountPath"`
	} `yaml:"volumeMounts"`
	SecurityContext struct {
		Escalation *bool                   `yaml:"allowPrivilegeEscalation"`
		ReadOnly   bool                    `yaml:"readOnlyRootFilesystem"`
		Drop       struct{ Drop []string } `yaml:"capabilities"`
	} `yaml:"securityContext"`
}

type probe struct {
	HTTP struct{ Path, Port string } `yaml:"httpGet"`
}

type workload struct {
	Spec struct {
		Replicas *int
		Template template
		Job      struct {
			Spec struct{ Template template }
		} `yaml:"jobTemplate"`
	}
}

// TestServices: each service has the names, ports, sizes and probes of the description, in both overlays.
func TestServices(t *testing.T) {
	for _, dir := range []string{local, production} {
		all := render(t, dir)
		for _, a := range platform(t).Apps {
			var deployment workload
			find(t, all, "Deployment", a.ID, &deployment)
			made := deployment.Spec.Template
			if len(made.Spec.Containers) != 1 {
				t.Fatalf("%s: %s has %d containers", dir, a.ID, len(made.Spec.Containers))
			}
			c := made.Spec.Containers[0]
			if !strings.Contains(c.Image, "sidecart/"+a.ID+":") || c.Name != a.ID || c.Ports[0].Port != a.Port || c.Ports[0].Name != "http" {
				t.Errorf("%s: %s has the container %s of %s with the ports %v", dir, a.ID, c.Name, c.Image, c.Ports)
			}
			if c.Startup.HTTP.Path != "/health" || c.Readiness.HTTP.Path != "/health/ready" || c.Liveness.HTTP.Path != a.HealthPath {
				t.Errorf("%s: %s has the probes %v, %v and %v", dir, a.ID, c.Startup, c.Readiness, c.Liveness)
			}
			checkSubset(t, dir+": environment of "+a.ID, variables(c), environment(a))
			checkSubset(t, dir+": annotations of "+a.ID, made.Metadata.Annotations, annotations(a))
			checkSubset(t, dir+": limits of "+a.ID, c.Resources.Limits, map[string]string{"cpu": a.Size.CPUs, "memory": mi(a.Size.Memory)})
			tls := made.Metadata.Annotations["dapr.io/env"] // an empty value is refused when a component of Redis starts
			if want := map[string]string{local: "REDIS_TLS=false", production: "REDIS_TLS=true"}[dir]; a.UsesRedis() && tls != want {
				t.Errorf("%s: the sidecar of %s has the environment %q, want %s", dir, a.ID, tls, want)
			}
			if mb := made.Metadata.Annotations["dapr.io/max-body-size"]; (mb != "") != (a.MaxRequestMB > 0) {
				t.Errorf("%s: %s takes bodies of %q", dir, a.ID, mb)
			}
			if *made.Spec.Automount || made.Spec.ServiceAccount != a.ID || len(made.Spec.Spread) != 2 {
				t.Errorf("%s: %s has an account with a token, or no own one, or is not spread", dir, a.ID)
			}
			find(t, all, "PodDisruptionBudget", a.ID, new(any))
			find(t, all, "ServiceAccount", a.ID, new(any))
		}
	}
}

func mi(size string) string { return strings.TrimSuffix(size, "M") + "Mi" }

func environment(a deploy.App) map[string]string {
	want := map[string]string{"HOST": "0.0.0.0", "APP_PORT": strconv.Itoa(a.Port)}
	if port := a.LocalValue("METRICS_PORT"); port != "" {
		want["METRICS_PORT"], want["METRICS_HOST"] = port, "0.0.0.0"
	}
	return want
}

func annotations(a deploy.App) map[string]string {
	want := map[string]string{
		"dapr.io/enabled": "true", "dapr.io/app-id": a.ID, "dapr.io/app-port": strconv.Itoa(a.Port), "dapr.io/config": a.ID,
		"dapr.io/enable-app-health-check": "true", "dapr.io/app-health-check-path": a.HealthPath,
		"dapr.io/app-health-probe-interval": strconv.Itoa(a.HealthInterval), "dapr.io/app-health-probe-timeout": strconv.Itoa(a.HealthTimeout),
		"dapr.io/app-health-threshold": strconv.Itoa(a.HealthFailures), "dapr.io/volume-mounts": "secrets:/run/sidecart",
		"dapr.io/sidecar-memory-limit": mi(a.Size.SidecarMemory), "dapr.io/sidecar-seccomp-profile-type": "RuntimeDefault",
		"dapr.io/api-token-secret": a.ID + "-dapr-token", "dapr.io/app-token-secret": a.ID + "-app-token",
		"dapr.io/disable-builtin-k8s-secret-store": "true",
	}
	if a.MaxRequestMB > 0 {
		want["dapr.io/max-body-size"] = strconv.Itoa(a.MaxRequestMB) + "Mi"
	}
	return want
}

func variables(c container) map[string]string {
	all := map[string]string{}
	for _, v := range c.Env {
		all[v.Name] = v.Value
	}
	return all
}

func checkSubset(t *testing.T, what string, got, want map[string]string) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if got[name] != want[name] {
			t.Errorf("%s: %s is %q, want %q", what, name, got[name], want[name])
		}
	}
}

// workloads are the pods of a folder, by kind and name.
func workloads(t *testing.T, dir string) map[string]template {
	t.Helper()
	pods := map[string]template{}
	for _, r := range render(t, dir) {
		var w workload
		if err := yaml.Unmarshal(r.YAML, &w); err != nil {
			continue // of another shape, such as a Role
		}
		for _, made := range []template{w.Spec.Template, w.Spec.Job.Spec.Template} {
			if len(made.Spec.Containers) > 0 {
				pods[r.Name+" "+r.Resource] = made
			}
		}
	}
	return pods
}

// TestPodsAreRestricted: Pod Security "restricted" takes every pod, no root filesystem is writable, nothing has limits
// without bound, and only the job that makes secrets has a token for the cluster's API.
func TestPodsAreRestricted(t *testing.T) {
	for _, dir := range manifest.Directories {
		for name, made := range workloads(t, dir) {
			s := made.Spec.SecurityContext
			if !s.RunAsNonRoot || s.RunAsUser == 0 || s.Seccomp.Type != "RuntimeDefault" {
				t.Errorf("%s: %s: %+v", dir, name, s)
			}
			if withToken := made.Spec.Automount == nil; withToken != (name == "Job secrets") {
				t.Errorf("%s: %s has a token for the cluster's API: %t", dir, name, withToken)
			}
			if made.Spec.ServiceLinks == nil {
				t.Errorf("%s: %s gets the addresses of services as variables", dir, name)
			}
			for _, v := range made.Spec.Volumes {
				if v.HostPath != nil {
					t.Errorf("%s: %s mounts a folder of its node", dir, name)
				}
			}
			for _, c := range made.Spec.Containers {
				x := c.SecurityContext
				if x.Escalation == nil || *x.Escalation || !x.ReadOnly || !slices.Equal(x.Drop.Drop, []string{"ALL"}) {
					t.Errorf("%s: %s: %+v", dir, name, x)
				}
				if c.Resources.Limits["memory"] == "" || c.Resources.Requests["memory"] == "" || c.Resources.Requests["cpu"] == "" {
					t.Errorf("%s: %s has no limit of memory, or reserves nothing: %v", dir, name, c.Resources)
				}
			}
		}
	}
}

// TestImages: a tag is a version, and nodes that have an image use it without a registry.
func TestImages(t *testing.T) {
	for _, dir := range manifest.Directories {
		for name, made := range workloads(t, dir) {
			for _, c := range made.Spec.Containers {
				_, tag, tagged := strings.Cut(c.Image[strings.LastIndex(c.Image, "/")+1:], ":")
				if !tagged || tag == "latest" || tag == "" || c.ImagePullPolicy != "IfNotPresent" {
					t.Errorf("%s: %s has the image %s, pulled %s", dir, name, c.Image, c.ImagePullPolicy)
				}
			}
		}
	}
}

// TestSecrets: no secret is in a file or a variable, and only the sidecar of an app mounts its secrets.
func TestSecrets(t *testing.T) {
	for _, dir := range manifest.Directories {
		for _, r := range render(t, dir) {
			if r.Name == "Secret" || strings.Contains(string(r.YAML), "secretKeyRef:\n              name") && r.Name == "Deployment" {
				t.Errorf("%s: %s %s is a secret, or has one as a variable", dir, r.Name, r.Resource)
			}
		}
		apps := platform(t).Apps
		for name, made := range workloads(t, dir) {
			kind, id, _ := strings.Cut(name, " ")
			app := kind == "Deployment" && slices.ContainsFunc(apps, func(a deploy.App) bool { return a.ID == id })
			for _, v := range made.Spec.Volumes {
				if v.Secret.Name == "" {
					continue
				}
				if app && v.Secret.Name != id {
					t.Errorf("%s: %s has the secrets of %s", dir, name, v.Secret.Name)
				}
				mounted := slices.ContainsFunc(made.Spec.Containers[0].Mounts, func(m struct {
					Name string
					Path string `yaml:"mountPath"`
				}) bool {
					return m.Name == v.Name
				})
				if app && mounted {
					t.Errorf("%s: %s itself has its secrets, not only its sidecar", dir, name)
				}
			}
		}
	}
}
