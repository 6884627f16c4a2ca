package cloudformation_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"sidecart/tools/cloudformation"
)

// into converts evaluated properties to a struct.
func into(t *testing.T, properties map[string]any, target any) {
	t.Helper()
	text, err := json.Marshal(properties)
	if err == nil {
		err = json.Unmarshal(text, target)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// services are the templates of services, by the configurations of their sidecars.
func services(t *testing.T) (ids []string) {
	t.Helper()
	paths, err := filepath.Glob("../../dapr/config/*.yaml")
	if err != nil || len(paths) < 5 {
		t.Fatalf("%v, %v", paths, err)
	}
	for _, path := range paths {
		ids = append(ids, strings.TrimSuffix(filepath.Base(path), ".yaml"))
	}
	return ids
}

// TestTasks: each task fits a size that AWS offers, and its containers are as closed as those of other targets.
func TestTasks(t *testing.T) {
	all, tasks := stacks(t), 0
	for name, stack := range all {
		for id, r := range stack.Resources {
			if r.Type != "AWS::ECS::TaskDefinition" {
				continue
			}
			tasks++
			task, err := cloudformation.TaskOf(r)
			if err != nil {
				t.Fatalf("%s: %s: %v", name, id, err)
			}
			checkSize(t, name+": "+id, task)
			for _, c := range task.Containers {
				checkContainer(t, fmt.Sprintf("%s: %s: %s", name, id, c.Name), task, c)
			}
		}
	}
	if want := len(services(t)) + 4; tasks != want {
		t.Errorf("%d tasks, want %d: the services, the control plane and the one that creates databases", tasks, want)
	}
}

// checkSize: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html
func checkSize(t *testing.T, where string, task cloudformation.Task) {
	t.Helper()
	memory, err := strconv.Atoi(task.Memory)
	if err != nil {
		t.Fatalf("%s: %v", where, err)
	}
	offers := map[string][2]int{"256": {512, 2048}, "512": {1024, 4096}, "1024": {2048, 8192}, "2048": {4096, 16384}}
	offer, known := offers[task.CPU]
	if !known || memory < offer[0] || memory > offer[1] || memory != 512 && memory%1024 != 0 {
		t.Errorf("%s: AWS offers no task with cpu %s and memory %s", where, task.CPU, task.Memory)
	}
	sum := 0
	for _, c := range task.Containers {
		sum += c.Memory
	}
	if sum > memory {
		t.Errorf("%s: its containers have %d MiB together, and the task has %d", where, sum, memory)
	}
}

func checkContainer(t *testing.T, where string, task cloudformation.Task, c cloudformation.Container) {
	t.Helper()
	root := c.User == "0:0"
	if !c.ReadOnly || !slices.Equal(c.Linux.Capabilities.Drop, []string{"ALL"}) || root != (c.Name == "unpack") ||
		!root && c.User != "65532:65532" || c.Logs.Driver != "awslogs" || root && c.IsEssential() {
		t.Errorf("%s: %+v", where, c)
	}
	for _, m := range c.Mounts {
		if !slices.ContainsFunc(task.Volumes, func(v cloudformation.Volume) bool { return v.Name == m.Volume }) {
			t.Errorf("%s: no volume %s", where, m.Volume)
		}
		if m.Path == "/run/sidecart" && !root && !m.ReadOnly {
			t.Errorf("%s: it could change its secrets", where)
		}
	}
	for _, d := range c.DependsOn {
		if !slices.ContainsFunc(task.Containers, func(o cloudformation.Container) bool { return o.Name == d.Container }) {
			t.Errorf("%s: it waits for %s, which is not there", where, d.Container)
		}
	}
	for _, v := range c.Environment {
		secret := strings.HasSuffix(v.Name, "TOKEN") || strings.Contains(v.Name, "PASSWORD") || strings.Contains(v.Name, "KEY")
		if secret && !strings.HasSuffix(v.Name, "_FILE") {
			t.Errorf("%s: the secret %s is in the task definition", where, v.Name)
		}
	}
	if c.Name != "unpack" && c.Name != "database" && len(c.Secrets) > 0 {
		t.Errorf("%s: %d secrets are in its environment", where, len(c.Secrets))
	}
}

type statement struct {
	Sid, Effect      string
	Action, Resource any
}

// TestRoles: no role may do everything, and each reads only its own secret.
func TestRoles(t *testing.T) {
	roles := 0
	for name, stack := range stacks(t) {
		for id, r := range stack.Resources {
			if r.Type != "AWS::IAM::Role" {
				continue
			}
			roles++
			var role struct {
				Policies []struct {
					PolicyDocument struct{ Statement []statement }
				}
			}
			into(t, r.Properties, &role)
			for _, p := range role.Policies {
				for _, s := range p.PolicyDocument.Statement {
					checkStatement(t, name+": "+id, s)
				}
			}
		}
	}
	if want := len(services(t)) + 6; roles != want {
		t.Errorf("%d roles, want %d: of each task to start, of products for images and of the scheduler for files", roles, want)
	}
}

func checkStatement(t *testing.T, where string, s statement) {
	t.Helper()
	actions, resources := fmt.Sprint(s.Action), fmt.Sprint(s.Resource)
	if strings.Contains(actions, "*") || resources == "*" && actions != "ecr:GetAuthorizationToken" {
		t.Errorf("%s: allows %s on %s", where, actions, resources)
	}
	service, _, _ := strings.Cut(where, ":")
	if service == "control-plane" || !strings.Contains(actions, "secretsmanager:") {
		return
	}
	if want := ":" + service + "secret/"; !strings.Contains(resources, want) || strings.Contains(resources, " ") {
		t.Errorf("%s: reads %s", where, resources)
	}
}

// rule is a rule of a security group, with the groups' exported names.
type rule struct {
	From, To string
	Port     int
}

// TestSecurityGroups: every connection is allowed on both sides or on none, and sidecars only have the callers that
// their access lists have.
func TestSecurityGroups(t *testing.T) {
	network := stacks(t)["network"]
	group := map[string]string{} // id -> name
	for export, value := range network.Exports {
		if name, ok := strings.CutPrefix(export, "sidecart-group-"); ok {
			group[fmt.Sprint(value)] = name
		}
	}
	out, in := map[rule]bool{}, map[rule]bool{}
	for id, r := range network.Resources {
		var p struct {
			Group            string `json:"GroupId"`
			Source           string `json:"SourceSecurityGroupId"`
			Target           string `json:"DestinationSecurityGroupId"`
			CIDR             string `json:"CidrIp"`
			FromPort, ToPort int
		}
		into(t, r.Properties, &p)
		if strings.HasPrefix(r.Type, "AWS::EC2::SecurityGroup") && p.FromPort != p.ToPort {
			t.Errorf("%s opens the ports %d to %d", id, p.FromPort, p.ToPort)
		}
		switch {
		case r.Type == "AWS::EC2::SecurityGroupEgress" && p.Target != "":
			out[rule{group[p.Group], group[p.Target], p.FromPort}] = true
		case r.Type == "AWS::EC2::SecurityGroupIngress" && p.Source != "":
			in[rule{group[p.Source], group[p.Group], p.FromPort}] = true
		case r.Type == "AWS::EC2::SecurityGroupIngress":
			if name := group[p.Group]; name != "loadbalancer" && (name != "endpoints" || p.CIDR != "10.20.0.0/16") {
				t.Errorf("%s lets %s reach %s", id, p.CIDR, name)
			}
		}
	}
	for r := range out {
		if !in[r] {
			t.Errorf("%+v may go out and not in", r)
		}
	}
	for _, forbidden := range []rule{
		{"gateway", "postgres", 5432}, {"products", "orders", 50002}, {"gateway", "gateway", 50002}, {"loadbalancer", "users", 8001},
	} {
		if in[forbidden] {
			t.Errorf("%+v is allowed", forbidden)
		}
	}
	for _, needed := range []rule{
		{"loadbalancer", "gateway", 8000}, {"gateway", "orders", 50002}, {"orders", "orders", 50002}, {"orders", "postgres", 5432},
		{"users", "redis", 6379}, {"scheduler", "sentry", 50001}, {"database", "postgres", 5432},
	} {
		if !in[needed] || !out[needed] {
			t.Errorf("%+v is not allowed", needed)
		}
	}
	if len(in) != len(out) {
		t.Errorf("%d rules in, %d out", len(in), len(out))
	}
}

// TestOnlyOutsideServicesReachTheInternet: the subnets of all others have no route out.
func TestOnlyOutsideServicesReachTheInternet(t *testing.T) {
	all := stacks(t)
	for name, stack := range all {
		for id, r := range stack.Resources {
			if r.Type != "AWS::ECS::Service" {
				continue
			}
			var service struct {
				NetworkConfiguration struct {
					AwsvpcConfiguration struct {
						PublicIP string `json:"AssignPublicIp"`
						Subnets  []string
					}
				}
			}
			into(t, r.Properties, &service)
			kind := "private"
			if name == "orders" || name == "notifications" {
				kind = "outside" // Stripe, mail and push
			}
			got := service.NetworkConfiguration.AwsvpcConfiguration
			if want := all["network"].Exports["sidecart-subnets-"+kind]; strings.Join(got.Subnets, ",") != want || got.PublicIP != "DISABLED" {
				t.Errorf("%s: %s is in %+v, want the %s subnets", name, id, got, kind)
			}
		}
	}
	for id, r := range all["network"].Resources {
		if r.Type == "AWS::EC2::Route" && strings.HasPrefix(id, "Private") {
			t.Errorf("a route leads out of the private subnets: %s", id)
		}
	}
}
