package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/go-playground/validator/v10"
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

func newRules() *validator.Validate {
	// Without WithRequiredStructEnabled, an object that is left out fails for each field that it must have.
	v := validator.New()
	v.RegisterCustomTypeFunc(func(v reflect.Value) any { return v.Interface().(shop.Money).String() }, shop.Money{})
	v.RegisterCustomTypeFunc(func(v reflect.Value) any { return idText(v.Interface().(shop.UserID).UUID) }, shop.UserID{})
	v.RegisterCustomTypeFunc(func(v reflect.Value) any { return idText(v.Interface().(shop.OrderID).UUID) }, shop.OrderID{})
	must := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	must(v.RegisterValidation("notblank", func(fl validator.FieldLevel) bool { return !shop.IsBlank(fl.Field().String()) }))
	must(v.RegisterValidation("price", func(fl validator.FieldLevel) bool {
		m, err := shop.ParseMoney(fl.Field().String())
		return err == nil && m.Sign() >= 0
	}))
	must(v.RegisterValidation("slug", matches(`^[a-z0-9]+(-[a-z0-9]+)*$`)))
	must(v.RegisterValidation("sku", matches(`^[A-Za-z0-9][A-Za-z0-9._/-]*$`)))
	username := matches(`^[\p{L}\p{N}][\p{L}\p{N}._-]*$`)
	must(v.RegisterValidation("username", func(fl validator.FieldLevel) bool {
		return username(fl) && !shop.HasInvisible(fl.Field().String())
	}))
	must(v.RegisterValidation("mailbox", func(fl validator.FieldLevel) bool {
		return strings.LastIndexByte(fl.Field().String(), '@') <= maxMailbox
	}))
	must(v.RegisterValidation("visible", func(fl validator.FieldLevel) bool { return !shop.HasInvisible(fl.Field().String()) }))
	must(v.RegisterValidation("nolink", func(fl validator.FieldLevel) bool { return !hasLink(fl.Field().String()) }))
	must(v.RegisterValidation("uncontrolled", func(fl validator.FieldLevel) bool {
		return !strings.ContainsFunc(fl.Field().String(), unicode.IsControl)
	}))
	must(v.RegisterValidation("notonlyblank", func(fl validator.FieldLevel) bool {
		text := fl.Field().String()
		return text == "" || !shop.IsBlank(text)
	}))
	v.RegisterAlias("line", "uncontrolled,notonlyblank")
	must(v.RegisterValidation("postalcode", unlessNeeded(shop.NeedsPostalCode)))
	must(v.RegisterValidation("state", unlessNeeded(shop.NeedsState)))
	return v
}

// maxMailbox is how many bytes an e-mail address has at most before the @ (RFC 5321, 4.5.3.1.1). No mail server accepts
// more.
const maxMailbox = 64

// unlessNeeded is the rule of a part of an address that may be empty, unless the address's country needs it. The rule's
// parameter is the field with the country: postalcode=Country.
func unlessNeeded(needed func(country string) bool) validator.Func {
	return func(fl validator.FieldLevel) bool {
		return fl.Field().String() != "" || !needed(fl.Parent().FieldByName(fl.Param()).String())
	}
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
		addFailed(in.Type(), failed, bad, present)
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

// addFailed adds the fields that failed a rule to bad. An object that is left out is named beside the fields that it
// must have; one that could not be decoded is named alone.
func addFailed(t reflect.Type, failed validator.ValidationErrors, bad fields, present map[string]bool) {
	undecoded := maps.Clone(bad)
	for _, f := range failed {
		path := fieldPath(t, f.StructNamespace())
		outer := slices.Collect(outerPaths(path))
		if slices.ContainsFunc(outer, func(path string) bool { return undecoded[path] != "" }) {
			continue
		}
		bad.add(path, ruleMessage(f, present[path]))
		for _, object := range outer {
			if f.Tag() == "required" && !present[object] {
				bad.add(object, "is required")
			}
		}
	}
}

// outerPaths are the paths of what a field is in: items[0].quantity is in items[0], which is in items.
func outerPaths(path string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for end := strings.LastIndexAny(path, ".["); end > 0; end = strings.LastIndexAny(path[:end], ".[") {
			if !yield(path[:end]) {
				return
			}
		}
	}
}

// fieldPath is the path by which the sender of an input knows a field, like items[0].quantity or attributes.color. It
// is made of a namespace of Go names, which begins with the name of the input's type.
func fieldPath(t reflect.Type, namespace string) string {
	path, rest := "", strings.TrimPrefix(namespace, t.Name()+".")
	for rest != "" {
		for t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		switch t.Kind() {
		case reflect.Struct:
			name := strings.TrimPrefix(rest, ".")
			name, rest = name[:strings.IndexAny(name+".", ".[")], name[strings.IndexAny(name+".", ".["):]
			f, _ := t.FieldByName(name)
			if t = f.Type; !f.Anonymous {
				path = join(path, inputName(f))
			}
		case reflect.Map:
			end := strings.LastIndex(rest, "]") // a key may have brackets, too
			if kind := t.Elem().Kind(); kind == reflect.Map || kind == reflect.Slice || kind == reflect.Struct {
				end = strings.Index(rest, "]")
			}
			path, t, rest = join(strings.TrimSuffix(path, ".*"), rest[1:end]), t.Elem(), rest[end+1:]
		default:
			end := strings.Index(rest, "]") + 1
			path, t, rest = path+rest[:end], t.Elem(), rest[end:]
		}
	}
	return path
}

// inputName is the name of a field in a request.
func inputName(f reflect.StructField) string {
	for _, tag := range []string{"json", "path", "query", "header"} {
		if name, _, _ := strings.Cut(f.Tag.Get(tag), ","); name != "" && name != "-" {
			return name
		}
	}
	return f.Name
}

// ruleMessages are the messages of rules without a parameter.
var ruleMessages = map[string]string{
	"email":        "must be an e-mail address",
	"mailbox":      "must have at most 64 bytes before the @",
	"notblank":     "must not be blank",
	"visible":      "must not contain invisible characters",
	"uncontrolled": "must not contain control characters",
	"notonlyblank": "must not be blank",
	"nolink":       "must not contain a link, a domain name or an e-mail address: write a space after a point",
	"slug":         "must be lower-case letters and digits with single hyphens between them",
	"sku":          "must be letters, digits and . _ / - only",
	"username":     "must be letters, digits and . _ - only, and begin with a letter or digit",
	"unique":       "must not name the same thing twice",
	"postalcode":   "is required in this country",
	"state":        "is required in this country",
}

func ruleMessage(f validator.FieldError, present bool) string {
	rule, size := f.ActualTag(), f.Param()
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
	if t == reflect.TypeFor[time.Time]() {
		return "must be a time like 2026-11-25T09:30:00Z"
	}
	if !errors.As(err, &wrong) && !strings.Contains(err.Error(), "UUID") {
		return err.Error()
	}
	switch t.Kind() {
	case reflect.String:
		return "must be a string"
	case reflect.Bool:
		return "must be true or false"
	case reflect.Float64:
		return "must be a number"
	case reflect.Slice:
		return "must be a list"
	case reflect.Map:
		return "must be an object"
	default:
		return "must be a UUID"
	}
}
