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

// fields is what is wrong with an input, by the path of the field.
type fields map[string]string

func (f fields) add(path, message string) {
	if _, ok := f[path]; !ok {
		f[path] = message
	}
}

var rules = newRules()

func newRules() *validator.Validate {
	v := validator.New(validator.WithRequiredStructEnabled())
	v.RegisterTagNameFunc(func(f reflect.StructField) string {
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

// validated checks an input against its validate tags. It fails with ErrInvalid naming every bad field, those that
// could not even be decoded among them.
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

// fieldPath drops the names of Go types from a namespace: the first part is the input's, and of the others types begin
// with a capital and JSON names do not.
func fieldPath(namespace string) string {
	_, namespace, _ = strings.Cut(namespace, ".")
	parts := slices.DeleteFunc(strings.Split(namespace, "."), func(part string) bool {
		return part != "" && unicode.IsUpper(rune(part[0]))
	})
	return strings.Join(parts, ".")
}

func ruleMessage(f validator.FieldError, present bool) string {
	sized := map[reflect.Kind]string{reflect.String: " characters", reflect.Slice: " entries", reflect.Map: " entries"}[f.Kind()]
	switch f.Tag() {
	case "required":
		if present {
			return "must not be empty or zero"
		}
		return "is required"
	case "min", "gte":
		if sized != "" {
			return fmt.Sprintf("must have at least %s%s", f.Param(), sized)
		}
		return "must be at least " + f.Param()
	case "max", "lte":
		if sized != "" {
			return fmt.Sprintf("must have at most %s%s", f.Param(), sized)
		}
		return "must be at most " + f.Param()
	case "len":
		return fmt.Sprintf("must have exactly %s%s", f.Param(), sized)
	case "oneof":
		return "must be one of " + strings.ReplaceAll(f.Param(), " ", ", ")
	case "email":
		return "must be an e-mail address"
	case "notblank":
		return "must not be blank"
	case "line":
		return "must not contain control characters"
	case "slug":
		return "must be small letters and digits with single hyphens between them"
	case "sku":
		return "must be letters, digits and . _ / - only"
	case "username":
		return "must be letters, digits and . _ - only, and begin with a letter or digit"
	case "price":
		if strings.HasPrefix(fmt.Sprint(f.Value()), "-") {
			return "must not be negative"
		}
		return "must be below 1000000000000"
	case "unique":
		return "must not name the same thing twice"
	default:
		return "is not acceptable (" + f.Tag() + ")"
	}
}

// typeMessage says what should have stood where the wrong type did.
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
		return "must be a text"
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
