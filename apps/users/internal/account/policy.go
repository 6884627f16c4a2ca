package account

import (
	_ "embed"
	"strings"

	"golang.org/x/text/unicode/norm"

	"sidecart/kit/fault"
)

//go:embed common-passwords.txt
var commonText string

// commonPasswords is the passwords that everybody tries first.
var commonPasswords = readCommon(commonText)

func readCommon(text string) map[string]bool {
	list := make(map[string]bool, strings.Count(text, "\n"))
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			list[line] = true
		}
	}
	return list
}

// normalizePassword is a password as it is hashed: the same whichever way a keyboard writes its letters (NFKC, as NIST SP 800-63B asks).
func normalizePassword(password string) string { return norm.NFKC.String(password) }

// passwordProblem says what is wrong with a new password, after the 8 characters at least that the input's rules ask: not
// longer than bcrypt reads, not one that everybody tries first, and not what everybody knows of its owner. There are no
// rules on what it must be made of (NIST SP 800-63B, 5.1.1.2). It is empty for a good one.
func passwordProblem(password string, known ...string) string {
	given := canonical(password)
	switch {
	case len(normalizePassword(password)) > maxPasswordBytes:
		return passwordTooLong
	case commonPasswords[given]:
		return "is one of the passwords that are tried first"
	}
	for _, name := range known {
		local, _, _ := strings.Cut(name, "@")
		if name != "" && (given == canonical(name) || given == canonical(local)) {
			return "must not be your name or your e-mail address"
		}
	}
	return ""
}

// invalid is ErrInvalid with the fields whose message, which follows their name, is not empty.
func invalid(pairs ...string) error {
	refusal := fault.ErrInvalid
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			refusal = refusal.With(pairs[i], pairs[i+1])
		}
	}
	if refusal == fault.ErrInvalid {
		return nil
	}
	return refusal
}
