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

// has is what a kind's templates may name.
type has struct {
	always []string // in each of its messages
	maybe  []string // in some, beside those that any message may have
}

// anyMay are facts that a message of any kind may have, or not.
var anyMay = []string{"Name", "Link", "Unsubscribe"}

var ofKinds = map[string]has{
	kind.Registered:     {always: []string{"Username"}},
	kind.Verification:   {always: []string{"Username"}},
	kind.PasswordReset:  {always: []string{"Username"}},
	kind.PasswordChange: {},
	kind.AddressChange:  {always: []string{"Username"}},
	kind.Locked:         {always: []string{"Username", "Address", "Until"}},
	kind.NewDevice:      {always: []string{"Device", "Address"}},
	kind.Placed:         {always: []string{"Number", "Goods", "Total", "Currency"}, maybe: []string{"More"}},
	kind.Paid:           {always: []string{"Number", "Total", "Currency"}},
	kind.Shipped:        {always: []string{"Number"}, maybe: []string{"Carrier", "Tracking"}},
	kind.Delivered:      {always: []string{"Number"}},
	kind.Cancelled:      {always: []string{"Number"}, maybe: []string{"Reason", "ReasonCode"}},
	kind.Refunded:       {always: []string{"Number", "Total", "Currency"}, maybe: []string{"Partial"}},
	kind.PaymentFailed:  {always: []string{"Number"}, maybe: []string{"Reason", "ReasonCode"}},
	kind.StockLow:       {always: []string{"Product", "SKU", "Available", "Threshold"}},
	kind.StockOut:       {always: []string{"Product", "SKU"}},
	kind.StockBack:      {always: []string{"Product", "SKU"}},
	kind.Broadcast:      {always: []string{"Title", "Text"}},
	kind.Digest:         {always: []string{"Text"}},
}

// FactsOf are the names of the facts that a kind's templates may name: those that each message has, and those that may be missing.
func FactsOf(name string) (always, maybe []string) {
	of := ofKinds[name]
	return of.always, slices.Concat(of.maybe, anyMay)
}

// usable says whether a text can tell of each message of its kind: it names only facts that the kind has, anywhere, and it was
// filled with each choice of those that may be missing. Otherwise it fails with ErrBroken.
func usable(name string, text TemplateText, channel kind.Channel, language Language) error {
	if channel != kind.Email && text.HTML != "" {
		return ErrBroken.With("html", "is for e-mail only")
	}
	if channel == kind.Email && text.HTML == "" {
		return ErrBroken.With("html", "is empty")
	}
	always, maybe := FactsOf(name)
	names, broken := slices.Concat(always, maybe), ErrBroken
	for field, part := range map[string]string{"title": text.Title, "body": text.Body, "html": text.HTML} {
		t, err := plainText(part)
		if err == nil {
			err = namesOnly(t.Root, true, names)
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
		facts := Facts{}
		for _, fact := range always {
			facts.put(fact)
		}
		for i, fact := range maybe {
			if choice>>i&1 == 1 {
				missing = append(missing, fact)
			} else {
				facts.put(fact)
			}
		}
		if _, err := Fill(text, channel, language, facts); err != nil {
			return without(missing, err)
		}
	}
	return nil
}

// put takes one fact of Sample.
func (f *Facts) put(name string) {
	reflect.ValueOf(f).Elem().FieldByName(name).Set(reflect.ValueOf(Sample).FieldByName(name))
}

// without says which facts were missing where a text could not be filled.
func without(missing []string, err error) error {
	if len(missing) == 0 {
		return err
	}
	broken := ErrBroken
	for field, why := range fault.Of(err).Fields {
		broken = broken.With(field, why+" (without "+strings.Join(missing, ", ")+")")
	}
	return broken
}

// namesOnly refuses names that are not among the facts, also where no message would ever come by. dot says whether "." is
// all facts at that place; inside of "with" it is one of them, which has no names in it.
func namesOnly(n parse.Node, dot bool, facts []string) error {
	switch n := n.(type) {
	case *parse.ListNode:
		if n == nil {
			return nil
		}
		return each(n.Nodes, dot, facts)
	case *parse.ActionNode:
		return namesOnly(n.Pipe, dot, facts)
	case *parse.PipeNode:
		for _, variable := range n.Decl {
			if variable.Ident[0] == "$" {
				return fmt.Errorf("%s: $ is all facts, and stays it", n)
			}
		}
		for _, c := range n.Cmds {
			if err := each(c.Args, dot, facts); err != nil {
				return err
			}
		}
	case *parse.IfNode:
		return each([]parse.Node{n.Pipe, n.List, n.ElseList}, dot, facts)
	case *parse.WithNode:
		if err := each([]parse.Node{n.Pipe, n.ElseList}, dot, facts); err != nil {
			return err
		}
		return namesOnly(n.List, dot && n.Pipe.String() == "." || n.Pipe.String() == "$", facts)
	case *parse.FieldNode:
		if !dot {
			return fmt.Errorf("%s: inside of with it is $%s", n, n)
		}
		return oneOf(facts, n, n.Ident)
	case *parse.VariableNode:
		if len(n.Ident) == 1 {
			return nil
		}
		if n.Ident[0] != "$" {
			return fmt.Errorf("%s: a fact has no names in it", n)
		}
		return oneOf(facts, n, n.Ident[1:])
	case *parse.ChainNode:
		return fmt.Errorf("%s: a fact has no names in it", n)
	}
	return nil
}

func each(nodes []parse.Node, dot bool, facts []string) error {
	for _, n := range nodes {
		if err := namesOnly(n, dot, facts); err != nil {
			return err
		}
	}
	return nil
}

func oneOf(facts []string, n parse.Node, names []string) error {
	if len(names) == 1 && slices.Contains(facts, names[0]) {
		return nil
	}
	return fmt.Errorf("%s: there are only %s", n, strings.Join(facts, ", "))
}
