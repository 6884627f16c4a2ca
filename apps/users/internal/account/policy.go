package account

import (
	_ "embed"
	"strings"

	"golang.org/x/text/unicode/norm"

	"sidecart/kit/fault"
)

//go:embed common-passwords.txt
var commonText string

// commonPasswords are the passwords that attackers try first.
var commonPasswords = func() map[string]bool {
	list := make(map[string]bool, strings.Count(commonText, "\n"))
	for line := range strings.Lines(commonText) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			list[line] = true
		}
	}
	return list
}()

// normalizePassword returns the form that is hashed: the same for all encodings of its letters (NFKC, as of NIST SP
// 800-63B).
func normalizePassword(password string) string { return norm.NFKC.String(password) }

// passwordProblem returns why a new password is refused, or "". The input's rules check the minimum length. There are
// no rules of composition (NIST SP 800-63B, 5.1.1.2). names are the owner's names and address.
func passwordProblem(password string, names ...string) string {
	given := canonical(password)
	switch {
	case len(normalizePassword(password)) > maxPasswordBytes:
		return tooLong
	case commonPasswords[given]:
		return "is one of the passwords that attackers try first"
	}
	for _, name := range names {
		local, _, _ := strings.Cut(name, "@")
		if name != "" && (given == canonical(name) || given == canonical(local)) {
			return "must not be your name or your e-mail address"
		}
	}
	return ""
}

// invalid returns ErrInvalid with pairs of a field and its problem. It returns nil if all problems are "".
func invalid(pairs ...string) error {
	err := fault.ErrInvalid
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			err = err.With(pairs[i], pairs[i+1])
		}
	}
	if err == fault.ErrInvalid {
		return nil
	}
	return err
}
