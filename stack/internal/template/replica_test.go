package template

import "testing"

func TestReplicas(t *testing.T) {
	apps, err := Read(repositoryFile)
	if err != nil {
		t.Fatal(err)
	}
	wanted, err := ParseReplicas("products=2,gateway=3")
	if err != nil || wanted.String() != "gateway=3,products=2" {
		t.Fatalf("%v, %v", wanted, err)
	}
	all, err := Replicate(apps, wanted)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != len(apps)+3 {
		t.Errorf("%d apps, want three more than %d", len(all), len(apps))
	}
	owner, ids := map[int]string{}, map[string]int{}
	for _, a := range all {
		ids[a.ID]++
		own, sidecar := a.Ports()
		for _, ports := range []map[string]int{own, sidecar} {
			for _, p := range ports {
				if other, taken := owner[p]; taken {
					t.Errorf("port %d is of %s and of %s", p, other, a.Name())
				}
				owner[p] = a.Name()
			}
		}
	}
	if ids["products"] != 2 || ids["gateway"] != 3 || ids["orders"] != 1 {
		t.Errorf("%v", ids)
	}
	if owner[8022] != "products-2" || owner[8040] != "gateway-3" || owner[8002] != "products" {
		t.Errorf("%v", owner)
	}
	for _, text := range []string{"products", "products=0", "products=9", "products=x"} {
		if _, err := ParseReplicas(text); err == nil {
			t.Errorf("%q was accepted", text)
		}
	}
	if _, err := Replicate(apps, Replicas{"payments": 2}); err == nil {
		t.Error("replicas of an unknown service were accepted")
	}
}
