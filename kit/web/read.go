package web

import "reflect"

// Read reads one JSON object into a struct as strictly as a route reads its body, and validates it: for what arrives many
// to a body. It fails with ErrMalformed or ErrInvalid.
func Read(text []byte, into any) error {
	v, bad, present := reflect.ValueOf(into).Elem(), fields{}, map[string]bool{}
	if err := Decode(text, v, bad, present); err != nil {
		return err
	}
	return validated(v, bad, present)
}
