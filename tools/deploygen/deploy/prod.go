package deploy

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
)

// Digest identifies the content of a file of the repository. Swarm's configurations never change, so that a new content
// needs a new name.
func (p Platform) Digest(path string) (string, error) {
	text, err := os.ReadFile(filepath.Join(p.root, path)) //nolint:gosec // named by a template
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:4]), err
}

// PodMemory is what a service and its sidecar may use together, where they are one container.
func (s Size) PodMemory() (string, error) {
	var service, sidecar int
	if _, err := fmt.Sscanf(s.Memory+" "+s.SidecarMemory, "%dM %dM", &service, &sidecar); err != nil {
		return "", fmt.Errorf("deploy/services.yaml: %q and %q must be like 256M: %w", s.Memory, s.SidecarMemory, err)
	}
	return fmt.Sprintf("%dM", service+sidecar), nil
}
