package template

import (
	"reflect"
	"slices"
	"strings"

	"sidecart/apps/notifications/internal/kind"
	"sidecart/kit/fault"
)

// variableNames are the variables of a kind.
type variableNames struct {
	required []string // in each notification of the kind
	optional []string // in some, beside those of every kind
}

// optionalForAll are optional variables of every kind.
var optionalForAll = []string{"Name", "Link", "Unsubscribe"}

var variablesOf = map[string]variableNames{
	kind.Registered:     {required: []string{"Username"}},
	kind.Verification:   {},
	kind.PasswordReset:  {},
	kind.PasswordChange: {},
	kind.AddressChange:  {optional: []string{"Username"}},
	kind.Locked:         {required: []string{"Address", "Until"}, optional: []string{"Username"}},
	kind.NewDevice:      {required: []string{"Address"}, optional: []string{"Device"}},
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

// VariablesOf are the names of the variables of a kind. Those that users type are optional, and a kind that is sent to
// any address has none of them.
func VariablesOf(name string) (required, optional []string) {
	of := variablesOf[name]
	optional = slices.Concat(of.optional, optionalForAll)
	if k, err := kind.Of(name); err == nil && k.ToAnyAddress {
		optional = slices.DeleteFunc(optional, func(variable string) bool { return variable == "Name" })
	}
	return of.required, optional
}

// WithoutTyped removes what a user typed: names, the user agent of a device, and a reason that is not the platform's.
// Only the verified owner of an address may receive it: otherwise a registration with the address of another person
// would send that person the registrant's words in the shop's mail.
func (v Variables) WithoutTyped() Variables {
	v.Name, v.Username, v.Device = "", "", ""
	if v.ReasonCode == "" {
		v.Reason = ""
	}
	return v
}

// validate fails with ErrBroken unless a text can be rendered for each notification of its kind: it uses only variables
// of the kind, and it renders with each combination of the optional ones.
func validate(text TemplateText, at Selector) error {
	if at.Channel != kind.Email && text.HTML != "" {
		return ErrBroken.With("html", "is for e-mail only")
	}
	if at.Channel == kind.Email && text.HTML == "" {
		return ErrBroken.With("html", "is empty")
	}
	required, optional := VariablesOf(at.Kind)
	names, broken := slices.Concat(required, optional), ErrBroken
	for field, part := range map[string]string{"title": text.Title, "body": text.Body, "html": text.HTML} {
		t, err := parseText(part)
		if err == nil {
			err = checker{names}.check(true, t.Root)
		}
		if err != nil {
			broken = broken.With(field, err.Error())
		}
	}
	if len(broken.Fields) > 0 {
		return broken
	}
	for combination := range 1 << len(optional) {
		var missing []string
		variables := Variables{}
		for _, name := range required {
			variables.setSample(name)
		}
		for i, name := range optional {
			if combination>>i&1 == 1 {
				missing = append(missing, name)
			} else {
				variables.setSample(name)
			}
		}
		if _, err := Render(text, at.Channel, at.Language, variables); err != nil {
			return addMissing(err, missing)
		}
	}
	return nil
}

// setSample sets a variable to its value in Sample.
func (v *Variables) setSample(name string) {
	reflect.ValueOf(v).Elem().FieldByName(name).Set(reflect.ValueOf(Sample).FieldByName(name))
}

// addMissing adds to an error the variables that were missing.
func addMissing(err error, missing []string) error {
	if len(missing) == 0 {
		return err
	}
	broken := ErrBroken
	for field, message := range fault.Of(err).Fields {
		broken = broken.With(field, message+" (without "+strings.Join(missing, ", ")+")")
	}
	return broken
}
