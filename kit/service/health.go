package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

// checkHealth fails unless the service that runs in this container is ready. Images have no shell and no other
// program, so their health check is the service itself: `/app health`.
func checkHealth(ctx context.Context) error {
	port := os.Getenv("APP_PORT")
	if port == "" {
		return errors.New("APP_PORT is not set: the health check has the environment of the service")
	}
	ctx, cancel := context.WithTimeout(ctx, 4*time.Second) // the service responds within 2 s
	defer cancel()
	url := "http://127.0.0.1:" + port + "/health/ready"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil) //nolint:gosec // the port is the operator's
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req) //nolint:gosec // the same
	if err != nil {
		return err
	}
	defer res.Body.Close() //nolint:errcheck // only read
	body, err := io.ReadAll(io.LimitReader(res.Body, 4<<10))
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("not ready: %d %s", res.StatusCode, strings.TrimSpace(string(body)))
	}
	return err
}

// readTokenFiles sets the tokens between app and sidecar from files, as containers get them: APP_API_TOKEN_FILE and
// DAPR_API_TOKEN_FILE. A token in the environment itself would show in the listing of a container.
func readTokenFiles() error {
	return errors.Join(
		readTokenFile("APP_API_TOKEN", os.Getenv("APP_API_TOKEN"), os.Getenv("APP_API_TOKEN_FILE")),
		readTokenFile("DAPR_API_TOKEN", os.Getenv("DAPR_API_TOKEN"), os.Getenv("DAPR_API_TOKEN_FILE")))
}

func readTokenFile(name, token, path string) error {
	if path == "" {
		return nil
	}
	if token != "" {
		return fmt.Errorf("%s and %[1]s_FILE are both set: leave one of them out", name)
	}
	text, err := os.ReadFile(path) //nolint:gosec // the path is the operator's
	if token = strings.TrimSpace(string(text)); err == nil && token == "" {
		err = fmt.Errorf("%s is empty", path)
	}
	if err != nil {
		return fmt.Errorf("%s_FILE: %w", name, err)
	}
	return os.Setenv(name, token)
}
