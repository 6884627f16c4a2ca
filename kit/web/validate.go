package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/go-playground/validator/v10"
	"github.com/go-playground/validator/v10/non-standard/validators"
	"github.com/google/uuid"

	"sidecart/kit/fault"
	"sidecart/kit/shop"
)

// fields are the messages of invalid fields, by path.
type fields map[string]string

func (f fields) add(path, message string) {
	if _, ok := f[path]; !ok {
		f[path] = message
	}
}

var rules = newRules()

// embedded is the name of an embedded struct in the namespaces of rules. No JSON name begins with a capital.
const embedded = "Embedded"

func newRules() *validator.Validate {
	v := validator.New(validator.WithRequiredStructEnabled())
	v.RegisterTagNameFunc(func(f reflect.StructField) string {
		if f.Anonymous {
			return embedded
		}
		for _, tag := range []string{"json", "path", "query", "header"} {
			if name, _, _ := strings.Cut(f.Tag.Get(tag), ","); name != "" && name != "-" {
				return name
			}
		}
		return f.Name
	})
	v.RegisterCustomTypeFunc(func(v reflect.Value) any { return v.Interface().(shop.Money).String() }, shop.Money{})
	v.RegisterCustomTypeFunc(func(v reflect.Value) any { return idText(v.Interface().(shop.UserID).UUID) }, shop.UserID{})
	v.RegisterCustomTypeFunc(func(v reflect.Value) any { return idText(v.Interface().(shop.OrderID).UUID) }, shop.OrderID{})
	must := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	must(v.RegisterValidation("notblank", validators.NotBlank))
	must(v.RegisterValidation("price", func(fl validator.FieldLevel) bool {
		m, err := shop.ParseMoney(fl.Field().String())
		return err == nil && m.Sign() >= 0
	}))
	must(v.RegisterValidation("slug", matches(`^[a-z0-9]+(-[a-z0-9]+)*$`)))
	must(v.RegisterValidation("sku", matches(`^[A-Za-z0-9][A-Za-z0-9._/-]*$`)))
	must(v.RegisterValidation("username", matches(`^[\p{L}\p{N}][\p{L}\p{N}._-]*$`)))
	must(v.RegisterValidation("line", func(fl validator.FieldLevel) bool {
		return !strings.ContainsFunc(fl.Field().String(), unicode.IsControl)
	}))
	return v
}

func matches(pattern string) validator.Func {
	compiled := regexp.MustCompile(pattern)
	return func(fl validator.FieldLevel) bool { return compiled.MatchString(fl.Field().String()) }
}

func idText(id uuid.UUID) string {
	if id == uuid.Nil {
		return ""
	}
	return id.String()
}

// validated checks an input against its validate tags. It fails with ErrInvalid naming all invalid fields, including
// those in bad, which could not be decoded.
func validated(in reflect.Value, bad fields, present map[string]bool) error {
	err := rules.Struct(in.Interface())
	var failed validator.ValidationErrors
	if errors.As(err, &failed) {
		for _, f := range failed {
			path := fieldPath(f.Namespace())
			bad.add(path, ruleMessage(f, present[path]))
		}
	} else if err != nil {
		return err
	}
	if len(bad) == 0 {
		return nil
	}
	refusal := *fault.ErrInvalid
	refusal.Fields = bad
	return &refusal
}

// fieldPath removes the names of Go types from a namespace: the first part, and embedded types, which begin with a
// capital as JSON names do not.
func fieldPath(namespace string) string {
	_, namespace, _ = strings.Cut(namespace, ".")
	parts := slices.DeleteFunc(strings.Split(namespace, "."), func(part string) bool {
		return part != "" && unicode.IsUpper(rune(part[0]))
	})
	return strings.Join(parts, ".")
}

// ruleMessages are the messages of rules without a parameter.
var ruleMessages = map[string]string{
	"email":    "must be an e-mail address",
	"notblank": "must not be blank",
	"line":     "must not contain control characters",
	"slug":     "must be lower-case letters and digits with single hyphens between them",
	"sku":      "must be letters, digits and . _ / - only",
	"username": "must be letters, digits and . _ - only, and begin with a letter or digit",
	"unique":   "must not name the same thing twice",
}

func ruleMessage(f validator.FieldError, present bool) string {
	rule, size := f.Tag(), f.Param()
	if unit, ok := map[reflect.Kind]string{
		reflect.String: "characters", reflect.Slice: "entries", reflect.Map: "entries",
	}[f.Kind()]; ok {
		size += " " + unit
	}
	sized := size != f.Param()
	switch {
	case rule == "required" && present:
		return "must not be empty or zero"
	case rule == "required":
		return "is required"
	case rule == "min" && sized:
		return "must have at least " + size
	case rule == "min":
		return "must be at least " + size
	case rule == "max" && sized:
		return "must have at most " + size
	case rule == "max":
		return "must be at most " + size
	case rule == "len":
		return "must have exactly " + size
	case rule == "oneof":
		return "must be one of " + strings.ReplaceAll(f.Param(), " ", ", ")
	case rule == "price" && strings.HasPrefix(fmt.Sprint(f.Value()), "-"):
		return "must not be negative"
	case rule == "price":
		return "must be below 1000000000000"
	case ruleMessages[rule] != "":
		return ruleMessages[rule]
	}
	return "is invalid (" + rule + ")"
}

// typeMessage names the type that a value should have.
func typeMessage(err error, t reflect.Type) string {
	var wrong *json.UnmarshalTypeError
	if !errors.As(err, &wrong) && !strings.Contains(err.Error(), "UUID") {
		return err.Error()
	}
	if optional, ok := reflect.New(t).Interface().(interface{ valueType() reflect.Type }); ok {
		t = optional.valueType()
	}
	switch t.Kind() {
	case reflect.String:
		return "must be a string"
	case reflect.Bool:
		return "must be true or false"
	case reflect.Int, reflect.Int32, reflect.Int64:
		return "must be a whole number"
	case reflect.Slice:
		return "must be a list"
	case reflect.Map:
		return "must be an object"
	default:
		return "must be a UUID"
	}
}
