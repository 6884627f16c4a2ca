package cloudformation

import (
	"fmt"
	"hash/maphash"
	"strconv"
	"strings"
)

func join(separator, list any) (any, error) {
	items, ok := list.([]any)
	if !ok {
		return nil, fmt.Errorf("%v is no list", list)
	}
	texts := make([]string, 0, len(items))
	for _, item := range items {
		texts = append(texts, fmt.Sprint(item))
	}
	return strings.Join(texts, fmt.Sprint(separator)), nil
}

func split(separator, text any) any {
	var items []any
	for part := range strings.SplitSeq(fmt.Sprint(text), fmt.Sprint(separator)) {
		items = append(items, part)
	}
	return items
}

func pick(index, list any) (any, error) {
	n, err := strconv.Atoi(fmt.Sprint(index))
	items, _ := list.([]any)
	if err != nil || n < 0 || n >= len(items) {
		return nil, fmt.Errorf("no item %v in %v", index, list)
	}
	return items[n], nil
}

func (e *evaluation) find(mapping, row, column string) (any, error) {
	value, ok := e.Mappings[mapping][row][column]
	if !ok {
		return nil, fmt.Errorf("no %s.%s.%s in the mappings", mapping, row, column)
	}
	return value, nil
}

var seed = maphash.MakeSeed()

// invented is a text for what AWS would invent, of the form that its kind has.
func invented(kind, resource, attribute string) string {
	switch {
	case attribute == "Arn" || strings.HasSuffix(attribute, "Arn") || attribute == "Ref" && arnIsID[kind]:
		service := strings.ToLower(strings.Split(kind, "::")[1])
		return "arn:aws:" + service + ":eu-central-1:123456789012:" + strings.ToLower(resource) + "/0123456789abcdef0"
	case strings.HasSuffix(attribute, "CidrBlock"):
		return "10.20.0.0/16"
	case strings.HasSuffix(attribute, "Port"):
		return "5432"
	case prefixes[kind] != "":
		return fmt.Sprintf("%s0%016x", prefixes[kind], maphash.String(seed, resource))
	default:
		return strings.ToLower(resource + "-" + strings.ReplaceAll(attribute, ".", "-"))
	}
}

// arnIsID are the kinds whose Ref is an ARN.
var arnIsID = map[string]bool{
	"AWS::SecretsManager::Secret": true, "AWS::ECS::TaskDefinition": true, "AWS::ElasticLoadBalancingV2::LoadBalancer": true,
	"AWS::ElasticLoadBalancingV2::TargetGroup": true, "AWS::ECS::Service": true,
}

var prefixes = map[string]string{
	"AWS::EC2::SecurityGroup": "sg-", "AWS::EC2::Subnet": "subnet-", "AWS::EC2::VPC": "vpc-", "AWS::EC2::RouteTable": "rtb-",
	"AWS::EFS::FileSystem": "fs-", "AWS::EFS::AccessPoint": "fsap-", "AWS::EC2::InternetGateway": "igw-",
	"AWS::EC2::NatGateway": "nat-", "AWS::EC2::EIP": "eipalloc-", "AWS::ServiceDiscovery::PrivateDnsNamespace": "ns-",
}
