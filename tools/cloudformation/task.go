package cloudformation

import (
	"encoding/json"
	"fmt"
)

// Task is a task definition of ECS.
type Task struct {
	Family      string
	CPU, Memory string
	Volumes     []Volume
	Containers  []Container `json:"ContainerDefinitions"`
}

// Volume is a volume of a task. It is empty when the task starts, except one of EFS.
type Volume struct {
	Name string
	EFS  *struct {
		FileSystem string `json:"FilesystemId"`
	} `json:"EFSVolumeConfiguration"`
}

// Container is a container of a task.
type Container struct {
	Name, Image, User string
	Essential         *bool
	EntryPoint        []string
	Command           []string
	Memory            int
	ReadOnly          bool `json:"ReadonlyRootFilesystem"`
	Environment       []struct{ Name, Value string }
	Secrets           []struct {
		Name string
		From string `json:"ValueFrom"`
	}
	Mounts []struct {
		Volume   string `json:"SourceVolume"`
		Path     string `json:"ContainerPath"`
		ReadOnly bool
	} `json:"MountPoints"`
	DependsOn   []Dependency
	HealthCheck *struct{ Command []string }
	Linux       struct {
		Capabilities struct{ Drop []string }
	} `json:"LinuxParameters"`
	Logs struct {
		Driver string `json:"LogDriver"`
	} `json:"LogConfiguration"`
}

// Dependency is a container that another one waits for.
type Dependency struct {
	Container string `json:"ContainerName"`
	Condition string // START, SUCCESS: it has ended without error
}

// IsEssential reports whether the task ends with the container, which is the default.
func (c Container) IsEssential() bool { return c.Essential == nil || *c.Essential }

// TaskOf reads an evaluated AWS::ECS::TaskDefinition.
func TaskOf(r Resource) (t Task, err error) {
	if r.Type != "AWS::ECS::TaskDefinition" {
		return t, fmt.Errorf("%s is no task", r.Type)
	}
	text, err := json.Marshal(r.Properties)
	if err != nil {
		return t, err
	}
	return t, json.Unmarshal(text, &t)
}
