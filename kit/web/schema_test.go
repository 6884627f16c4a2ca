package web

import (
	"encoding/json"
	"math/big"
	"reflect"
	"testing"
	"time"

	"github.com/google/uuid"

	"sidecart/kit/shop"
)

type fruit struct {
	Name   string         `json:"name" validate:"required,max=9" example:"apple"`
	Kind   string         `json:"kind" validate:"omitempty,oneof=a b"`
	Mail   *string        `json:"mail" validate:"omitempty,email"`
	Parent Optional[int]  `json:"parent"`
	Price  *shop.Money    `json:"price" validate:"required,price"`
	Labels map[string]int `json:"labels" validate:"max=3,dive,keys,max=5,endkeys,min=1"`
	Seeds  []seed         `json:"seeds" validate:"dive"`
	Core   seed           `json:"core"`
}

type seed struct {
	Weight int64 `json:"weight" validate:"required,min=1" example:"7"`
}

type basketed struct {
	ID   uuid.UUID    `json:"id"`
	User *shop.UserID `json:"user"`
	At   *time.Time   `json:"at,omitempty"`
	Day  string       `json:"day" validate:"datetime=2006-01-02"`
	Any  any          `json:"any"`
}

func text(t *testing.T, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestSchemaOfAnInput(t *testing.T) {
	s := newSchemas()
	s.input = true
	s.of(bodyType(reflect.TypeFor[struct{ fruit }]()))
	schema := s.byName["Fruit"].(object)
	if got := text(t, schema["required"]); got != `["name","price","core"]` {
		t.Errorf("required: %s", got)
	}
	for name, want := range map[string]string{
		"name":   `{"examples":["apple"],"maxLength":9,"minLength":1,"type":"string"}`,
		"kind":   `{"anyOf":[{"enum":["a","b",""],"type":"string"},{"type":"null"}]}`,
		"mail":   `{"format":"email","type":["string","null"]}`,
		"parent": `{"type":["integer","null"]}`,
		"price":  `{"format":"double","minimum":0,"type":"number"}`,
		"labels": `{"additionalProperties":{"minimum":1,"type":"integer"},"maxProperties":3,"type":["object","null"]}`,
		"seeds":  `{"items":{"$ref":"#/components/schemas/Seed"},"type":["array","null"]}`,
		"core":   `{"$ref":"#/components/schemas/Seed"}`,
	} {
		if got := text(t, schema["properties"].(object)[name]); got != want {
			t.Errorf("%s: %s", name, got)
		}
	}
	if got := text(t, example(reflect.TypeFor[fruit]())); got != `{"core":{"weight":7},"name":"apple","seeds":[{"weight":7}]}` {
		t.Errorf("example: %s", got)
	}
}

func TestSchemaOfAnOutput(t *testing.T) {
	s := newSchemas()
	s.of(reflect.TypeFor[basketed]())
	want := `{"additionalProperties":false,"properties":{"any":{},"at":{"format":"date-time","type":"string"},` +
		`"day":{"format":"date","type":"string"},"id":{"format":"uuid","type":"string"},"user":{"format":"uuid","type":["string","null"]}},` +
		`"required":["id","user","day","any"],"type":"object"}`
	if got := text(t, s.byName["Basketed"]); got != want {
		t.Error(got)
	}
}

func TestAmbiguousSchemasPanic(t *testing.T) {
	type seed struct{ Other string }
	type long struct {
		Name string `json:"name" validate:"max=1" example:"long"`
	}
	for name, describe := range map[string]func(s *schemas){
		"a text of its own":        func(s *schemas) { s.of(reflect.TypeFor[big.Int]()) },
		"two types under one name": func(s *schemas) { s.of(reflect.TypeFor[seed]()); s.of(reflect.TypeFor[fruit]()) },
		"an invalid example":       func(*schemas) { validExample(reflect.TypeFor[long]()) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			describe(newSchemas())
		})
	}
}
