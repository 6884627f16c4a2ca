package cloudformation_test

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sidecart/tools/cloudformation"
)

const folder = "../../deploy/ecs"

// order is that of deployments: a stack imports from those before it.
var order = []string{"base", "network", "data", "control-plane"}

// given are the parameters that have no default.
var given = map[string]string{
	"Tag": "1.0.0", "Certificate": "arn:aws:acm:eu-central-1:123456789012:certificate/0123", "PublicUrl": "https://shop.example",
	"TrustedHosts": "shop.example", "SmtpAddr": "email-smtp.eu-central-1.amazonaws.com:587",
}

// stacks evaluates all templates in the order of deployments.
func stacks(t *testing.T) map[string]cloudformation.Stack {
	t.Helper()
	paths, err := filepath.Glob(folder + "/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	names := slices.Clone(order)
	for _, path := range paths {
		if name := strings.TrimSuffix(filepath.Base(path), ".yaml"); !slices.Contains(order, name) {
			names = append(names, name)
		}
	}
	if len(names) < 9 {
		t.Fatalf("%s has only the templates %v", folder, names)
	}
	all, exports := map[string]cloudformation.Stack{}, map[string]any{}
	for _, name := range names {
		template, err := cloudformation.Read(filepath.Join(folder, name+".yaml"))
		if err != nil {
			t.Fatal(err)
		}
		stack, err := cloudformation.Evaluate(template, given, exports)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for export, value := range stack.Exports {
			if _, twice := exports[export]; twice {
				t.Errorf("%s: another stack exports %s", name, export)
			}
			exports[export] = value
		}
		all[name] = stack
	}
	return all
}

// TestResources: AWS's schemas accept every resource.
func TestResources(t *testing.T) {
	for name, stack := range stacks(t) {
		for _, id := range slices.Sorted(maps.Keys(stack.Resources)) {
			if err := cloudformation.Check(stack.Resources[id]); err != nil {
				t.Errorf("%s: %s: %v", name, id, err)
			}
		}
	}
}

// TestWrongTemplates: what AWS would refuse is refused, and the message names it.
func TestWrongTemplates(t *testing.T) {
	for _, c := range []struct{ name, resource, want string }{
		{"a property that does not exist", "{Type: AWS::ECS::Cluster, Properties: {ClusterNam: x}}", "ClusterNam"},
		{"a property of a part", "{Type: AWS::ECS::Service, Properties: {DeploymentConfiguration: {CircuitBreaker: {}}}}", "CircuitBreaker"},
		{"a missing property", "{Type: AWS::EC2::SecurityGroupEgress, Properties: {GroupId: x}}", "IpProtocol"},
		{"a wrong type", "{Type: AWS::ECS::Service, Properties: {DesiredCount: two}}", "/DesiredCount"},
		{"a wrong value", "{Type: AWS::ECS::Service, Properties: {LaunchType: FARGTE}}", "/LaunchType"},
		{"a property that AWS sets", "{Type: AWS::ECS::Service, Properties: {ServiceArn: x}}", "ServiceArn"},
		{"a type that does not exist", "{Type: AWS::ECS::Servis}", "AWS::ECS::Servis"},
		{"a key beside Properties", "{Type: AWS::ECS::Cluster, Propertys: {}}", "Propertys"},
		{"a reference", "{Type: AWS::ECS::Cluster, Properties: {ClusterName: !Ref Unknown}}", "Unknown"},
		{"a reference in a text", `{Type: AWS::ECS::Cluster, Properties: {ClusterName: !Sub "a-${Unknown}"}}`, "Unknown"},
		{"an attribute", "{Type: AWS::ECS::Cluster, Properties: {ClusterName: !GetAtt Subject.Name}}", "Name"},
		{"an import", "{Type: AWS::ECS::Cluster, Properties: {ClusterName: !ImportValue nothing}}", "nothing"},
		{"a function", "{Type: AWS::ECS::Cluster, Properties: {ClusterName: {Fn::Sup: x}}}", "Fn::Sup"},
		{"a dependency", "{Type: AWS::ECS::Cluster, DependsOn: [Unknown]}", "Unknown"},
		{"an anchor", "{Type: &x AWS::ECS::Cluster}", "anchors"},
	} {
		t.Run(c.name, func(t *testing.T) {
			template, err := cloudformation.Parse([]byte("Resources:\n  Subject: " + c.resource + "\n"))
			if err == nil {
				var stack cloudformation.Stack
				if stack, err = cloudformation.Evaluate(template, nil, nil); err == nil {
					err = cloudformation.Check(stack.Resources["Subject"])
				}
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want an error that names %s", err, c.want)
			}
		})
	}
	_, err := cloudformation.Parse([]byte("Description: " + strings.Repeat("x", cloudformation.MaxSize)))
	if err == nil || !strings.Contains(err.Error(), "bytes") {
		t.Errorf("a template that is too large: %v", err)
	}
}

func TestParameters(t *testing.T) {
	const text = `
Parameters:
  Name: {Type: String, MinLength: 1, AllowedPattern: "[a-z]+"}
  Count: {Type: Number, Default: 2, MinValue: 2}
Resources:
  Subject: {Type: AWS::ECS::Service, Properties: {ServiceName: !Ref Name, DesiredCount: !Ref Count}}
`
	template, err := cloudformation.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		given map[string]string
		want  string
	}{
		{nil, "Name has no value"},
		{map[string]string{"Name": ""}, "Name is shorter"},
		{map[string]string{"Name": "A"}, `Name is "A"`},
		{map[string]string{"Name": "a", "Count": "1"}, `Count is "1"`},
	} {
		if _, err := cloudformation.Evaluate(template, c.given, nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v, want %q", c.given, err, c.want)
		}
	}
	stack, err := cloudformation.Evaluate(template, map[string]string{"Name": "a"}, nil)
	if properties := stack.Resources["Subject"].Properties; err != nil || properties["ServiceName"] != "a" || properties["DesiredCount"] != 2 {
		t.Errorf("%v, %v", properties, err)
	}
	template.Parameters["Other"] = template.Parameters["Count"]
	if _, err := cloudformation.Evaluate(template, map[string]string{"Name": "a"}, nil); err == nil || !strings.Contains(err.Error(), "Other") {
		t.Errorf("a parameter that nothing uses: %v", err)
	}
}
