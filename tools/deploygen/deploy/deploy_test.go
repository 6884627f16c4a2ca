package deploy_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"sidecart/tools/deploygen/deploy"
)

const root = "../../.."

// TestFilesAreUpToDate: `make generate` would change no file.
func TestFilesAreUpToDate(t *testing.T) {
	files, err := deploy.Files(root)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range files {
		got, err := os.ReadFile(filepath.Join(root, path))
		if err != nil || string(got) != want {
			t.Errorf("%s is not what `make generate` writes (%v)", path, err)
		}
	}
}

func TestPlatform(t *testing.T) {
	p, err := deploy.Read(root)
	if err != nil {
		t.Fatal(err)
	}
	users, err := p.App("users")
	if err != nil {
		t.Fatal(err)
	}
	names := make([]string, 0, len(users.Settings))
	for _, s := range users.Settings {
		names = append(names, s.Name)
	}
	for name, want := range map[string]bool{
		"BCRYPT_COST": true, "PUBLIC_URL": true, "LOG_LEVEL": true, "OTEL_EXPORTER_OTLP_ENDPOINT": true,
		"SMTP_ADDR": false, "AUDIT_DATABASE_URL": false, "APP_API_TOKEN": false, "NAMESPACE": false,
	} {
		if slices.Contains(names, name) != want {
			t.Errorf("the settings of users are %v; has %s: %t, want %t", names, name, !want, want)
		}
	}
	products, err := p.App("products")
	if err != nil {
		t.Fatal(err)
	}
	if products.Size.Memory != "768M" || products.Size.SidecarMemory != "384M" || products.Size.Replicas != 2 {
		t.Errorf("the size of products is %+v", products.Size)
	}
	if gateway, _ := p.App("gateway"); gateway.HasDatabase() || !products.HasDatabase() {
		t.Error("products has a database and the gateway has none")
	}
	if want := []string{"gateway", "notifications", "orders", "users"}; !slices.Equal(products.Callers, want) {
		t.Errorf("products is called by %v, want %v", products.Callers, want)
	}
	if want := (deploy.Variable{Name: "SIDECART_ENV", Value: "local"}); len(users.LocalEnv) == 0 || users.LocalEnv[0] != want {
		t.Errorf("the environment of users on one machine is %v", users.LocalEnv)
	}
	if want := []string{"../../components/local", "../../dapr/resiliency"}; !slices.Equal(users.LocalResources(), want) {
		t.Errorf("the resources of users on one machine are %v, want %v", users.LocalResources(), want)
	}
	orders, err := p.App("orders")
	if err != nil {
		t.Fatal(err)
	}
	if !orders.Size.Outside || products.Size.Outside || !orders.Reads("PAYMENT_PROVIDER") || products.Reads("SMTP_ADDR") {
		t.Errorf("orders calls the payment provider, products makes no calls outside: %+v, %+v", orders.Size, products.Size)
	}
	if _, err := p.App("payments"); err == nil {
		t.Error("an unknown app was found")
	}
}
