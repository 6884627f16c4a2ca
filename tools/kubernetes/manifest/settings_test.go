package manifest_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var assignment = regexp.MustCompile(`(?m)^#?([A-Z][A-Z0-9_]+)=(.*)$`)

func settingsOf(t *testing.T, path string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, found := range assignment.FindAllStringSubmatch(string(text), -1) {
		if _, twice := all[found[1]]; twice {
			t.Errorf("%s has %s twice", path, found[1])
		}
		all[found[1]] = found[2]
	}
	return all
}

// TestSettings: the base lists each setting that a service reads, overlays set no others, and the local ones are those
// of `make run`.
func TestSettings(t *testing.T) {
	p := platform(t)
	listed := settingsOf(t, "deploy/kubernetes/base/settings.env")
	for _, a := range p.Apps {
		for _, s := range a.Settings {
			if _, ok := listed[s.Name]; !ok {
				t.Errorf("base/settings.env lacks %s", s.Name)
			}
		}
	}
	for _, dir := range []string{local, production} {
		for name := range settingsOf(t, dir+"/settings.env") {
			if _, ok := listed[name]; !ok {
				t.Errorf("%s/settings.env sets %s, which no service reads", dir, name)
			}
		}
	}
	set := settingsOf(t, local+"/settings.env")
	for _, v := range p.LocalSettings() {
		if v.Name != "SMTP_ADDR" && v.Name != "MAIL_PAGE_URL" && set[v.Name] != v.Value {
			t.Errorf("%s/settings.env sets %s to %q, and `make run` to %q", local, v.Name, set[v.Name], v.Value)
		}
	}
}

// TestSite: what site.env has is in the rendered files.
func TestSite(t *testing.T) {
	site := settingsOf(t, production+"/site.env")
	rendered := map[string]string{}
	for _, r := range render(t, production) {
		rendered[r.Name+" "+r.Resource] = string(r.YAML)
		if r.Name == "ConfigMap" && strings.HasPrefix(r.Resource, "settings-") {
			rendered["settings"] = string(r.YAML)
		}
		if r.Name == "ConfigMap" && r.Resource == "site" {
			t.Error("site.env itself ends up in the cluster")
		}
	}
	for name, where := range map[string][]string{
		"HOST": {"Ingress gateway", "settings"}, "REGISTRY": {"Deployment users"}, "TAG": {"Deployment users"},
		"REDIS_ADDR": {"Component pubsub", "Deployment gateway"}, "DATABASE_HOST": {"CronJob backup"}, "DATABASE_USER": {"CronJob backup"},
		"REDIS_NETWORK": {"NetworkPolicy redis-clients"}, "DATABASE_NETWORK": {"NetworkPolicy postgres-clients"},
	} {
		for _, w := range where {
			if site[name] == "" || !strings.Contains(rendered[w], site[name]) {
				t.Errorf("%s=%s is not in %s", name, site[name], w)
			}
		}
		delete(site, name)
	}
	if len(site) > 0 {
		t.Errorf("site.env has %v, which ends up nowhere", site)
	}
}

// TestScaling: production has an autoscaler for each service, and leaves the number of replicas to it.
func TestScaling(t *testing.T) {
	all := render(t, production)
	for _, a := range platform(t).Apps {
		var scaler struct {
			Spec struct {
				Min int `yaml:"minReplicas"`
				Max int `yaml:"maxReplicas"`
			}
		}
		find(t, all, "HorizontalPodAutoscaler", a.ID, &scaler)
		if scaler.Spec.Min != a.Size.Replicas || scaler.Spec.Max != a.Size.MaxReplicas || scaler.Spec.Max <= scaler.Spec.Min {
			t.Errorf("%s has %+v replicas, want %+v", a.ID, scaler.Spec, a.Size)
		}
		var deployment workload
		find(t, all, "Deployment", a.ID, &deployment)
		if deployment.Spec.Replicas != nil {
			t.Errorf("each `kubectl apply` sets the replicas of %s to %d", a.ID, *deployment.Spec.Replicas)
		}
	}
}

// TestNotRun: files with what was never run say so.
func TestNotRun(t *testing.T) {
	found := 0
	err := filepath.WalkDir(filepath.Join(root, "deploy/kubernetes"), func(path string, _ os.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".yaml" {
			return err
		}
		text, err := os.ReadFile(path) //nolint:gosec // of the repository
		for _, kind := range []string{"NetworkPolicy", "HorizontalPodAutoscaler", "Ingress", "ServiceMonitor"} {
			if !strings.Contains(string(text), "\nkind: "+kind+"\n") {
				continue
			}
			found++
			if head := strings.SplitN(string(text), "\n", 5); !strings.Contains(strings.Join(head[:4], "\n"), "# Not run: ") {
				t.Errorf("%s has a %s and does not say that it was not run", path, kind)
			}
		}
		return err
	})
	if err != nil || found < 6 {
		t.Errorf("%d kinds were found: %v", found, err)
	}
}
