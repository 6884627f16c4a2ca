package template

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"text/template/parse"

	"sidecart/apps/notifications/internal/kind"
	"sidecart/kit/fault"
)

// variableNames is what a kind's templates may name.
type variableNames struct {
	required []string // in each of its messages
	optional []string // in some, beside those that any message may have
}

// alwaysOptional are facts that a message of any kind may have, or not.
var alwaysOptional = []string{"Name", "Link", "Unsubscribe"}

var variablesOf = map[string]variableNames{
	kind.Registered:     {required: []string{"Username"}},
	kind.Verification:   {required: []string{"Username"}},
	kind.PasswordReset:  {required: []string{"Username"}},
	kind.PasswordChange: {},
	kind.AddressChange:  {required: []string{"Username"}},
	kind.Locked:         {required: []string{"Username", "Address", "Until"}},
	kind.NewDevice:      {required: []string{"Device", "Address"}},
	kind.Placed:         {required: []string{"Number", "Goods", "Total", "Currency"}, optional: []string{"More"}},
	kind.Paid:           {required: []string{"Number", "Total", "Currency"}},
	kind.Shipped:        {required: []string{"Number"}, optional: []string{"Carrier", "Tracking"}},
	kind.Delivered:      {required: []string{"Number"}},
	kind.Cancelled:      {required: []string{"Number"}, optional: []string{"Reason", "ReasonCode"}},
	kind.Refunded:       {required: []string{"Number", "Total", "Currency"}, optional: []string{"Partial"}},
	kind.PaymentFailed:  {required: []string{"Number"}, optional: []string{"Reason", "ReasonCode"}},
	kind.StockLow:       {required: []string{"Product", "SKU", "Available", "Threshold"}},
	kind.StockOut:       {required: []string{"Product", "SKU"}},
	kind.StockBack:      {required: []string{"Product", "SKU"}},
	kind.Broadcast:      {required: []string{"Title", "Text"}},
	kind.Digest:         {required: []string{"Text"}},
}

// VariablesOf are the names of the facts that a kind's templates may name: those that each message has, and those that may be missing.
func VariablesOf(name string) (always, maybe []string) {
	of := variablesOf[name]
	return of.required, slices.Concat(of.optional, alwaysOptional)
}

// validate says whether a text can tell of each message of its kind: it names only facts that the kind has, anywhere, and it was
// filled with each choice of those that may be missing. Otherwise it fails with ErrBroken.
func validate(name string, text TemplateText, channel kind.Channel, language Language) error {
	if channel != kind.Email && text.HTML != "" {
		return ErrBroken.With("html", "is for e-mail only")
	}
	if channel == kind.Email && text.HTML == "" {
		return ErrBroken.With("html", "is empty")
	}
	always, maybe := VariablesOf(name)
	names, broken := slices.Concat(always, maybe), ErrBroken
	for field, part := range map[string]string{"title": text.Title, "body": text.Body, "html": text.HTML} {
		t, err := parseText(part)
		if err == nil {
			err = checkNames(t.Root, true, names)
		}
		if err != nil {
			broken = broken.With(field, err.Error())
		}
	}
	if len(broken.Fields) > 0 {
		return broken
	}
	for choice := range 1 << len(maybe) {
		var missing []string
		facts := Variables{}
		for _, fact := range always {
			facts.set(fact)
		}
		for i, fact := range maybe {
			if choice>>i&1 == 1 {
				missing = append(missing, fact)
			} else {
				facts.set(fact)
			}
		}
		if _, err := Render(text, channel, language, facts); err != nil {
			return addMissing(missing, err)
		}
	}
	return nil
}

// set takes one fact of Sample.
func (f *Variables) set(name string) {
	reflect.ValueOf(f).Elem().FieldByName(name).Set(reflect.ValueOf(Sample).FieldByName(name))
}

// addMissing says which facts were missing where a text could not be filled.
func addMissing(missing []string, err error) error {
	if len(missing) == 0 {
		return err
	}
	broken := ErrBroken
	for field, why := range fault.Of(err).Fields {
		broken = broken.With(field, why+" (without "+strings.Join(missing, ", ")+")")
	}
	return broken
}

// checkNames refuses names that are not among the facts, also where no message would ever come by. dot says whether "." is
// all facts at that place; inside of "with" it is one of them, which has no names in it.
func checkNames(n parse.Node, dot bool, facts []string) error {
	switch n := n.(type) {
	case *parse.ListNode:
		if n == nil {
			return nil
		}
		return checkAll(n.Nodes, dot, facts)
	case *parse.ActionNode:
		return checkNames(n.Pipe, dot, facts)
	case *parse.PipeNode:
		for _, variable := range n.Decl {
			if variable.Ident[0] == "$" {
				return fmt.Errorf("%s: $ is all facts, and stays it", n)
			}
		}
		for _, c := range n.Cmds {
			if err := checkAll(c.Args, dot, facts); err != nil {
				return err
			}
		}
	case *parse.IfNode:
		return checkAll([]parse.Node{n.Pipe, n.List, n.ElseList}, dot, facts)
	case *parse.WithNode:
		if err := checkAll([]parse.Node{n.Pipe, n.ElseList}, dot, facts); err != nil {
			return err
		}
		return checkNames(n.List, dot && n.Pipe.String() == "." || n.Pipe.String() == "$", facts)
	case *parse.FieldNode:
		if !dot {
			return fmt.Errorf("%s: inside of with it is $%s", n, n)
		}
		return checkName(facts, n, n.Ident)
	case *parse.VariableNode:
		if len(n.Ident) == 1 {
			return nil
		}
		if n.Ident[0] != "$" {
			return fmt.Errorf("%s: a fact has no names in it", n)
		}
		return checkName(facts, n, n.Ident[1:])
	case *parse.ChainNode:
		return fmt.Errorf("%s: a fact has no names in it", n)
	}
	return nil
}

func checkAll(nodes []parse.Node, dot bool, facts []string) error {
	for _, n := range nodes {
		if err := checkNames(n, dot, facts); err != nil {
			return err
		}
	}
	return nil
}

func checkName(facts []string, n parse.Node, names []string) error {
	if len(names) == 1 && slices.Contains(facts, names[0]) {
		return nil
	}
	return fmt.Errorf("%s: there are only %s", n, strings.Join(facts, ", "))
}
