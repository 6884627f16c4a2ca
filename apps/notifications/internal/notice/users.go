package notice

import (
	"cmp"
	"slices"
	"strings"

	"sidecart/apps/notifications/internal/kind"
	"sidecart/apps/notifications/internal/template"
	"sidecart/kit/shop"
)

func accountVariables(fullName, username string) template.Variables {
	return template.Variables{Name: displayName(fullName, username), Username: inline(username)}
}

func welcome(e shop.UserRegistered) Notice {
	return Notice{UserID: e.UserID, Kind: kind.Registered, Variables: accountVariables(e.FullName, e.Username)}
}

func newDevice(e shop.NewDevice) Notice {
	return Notice{UserID: e.UserID, Kind: kind.NewDevice,
		Variables: template.Variables{Device: agentName(e.UserAgent), Address: inline(e.Address)}}
}

// browsers and systems in the order in which agentName looks for them: user agents also name browsers that they
// imitate.
var (
	browsers     = []string{"Edg", "OPR", "Firefox", "Chrome", "Safari", "curl"}
	browserNames = map[string]string{"Edg": "Edge", "OPR": "Opera"}
	systems      = []string{"Android", "iPhone", "iPad", "Windows", "Mac OS X", "Linux"}
)

// agentName is the browser and the system of a user agent, or the user agent itself if the browser is unknown.
func agentName(agent string) string {
	b := slices.IndexFunc(browsers, func(name string) bool { return strings.Contains(agent, name+"/") })
	if b < 0 {
		return cmp.Or(inline(agent), "?")
	}
	name := cmp.Or(browserNames[browsers[b]], browsers[b])
	if s := slices.IndexFunc(systems, func(name string) bool { return strings.Contains(agent, name) }); s >= 0 {
		name += ", " + systems[s]
	}
	return name
}

func verification(e shop.VerificationRequested) Notice {
	return Notice{UserID: e.UserID, Kind: kind.Verification, Path: "/verify-email", RequestID: &e.RequestID,
		Address: singleLine(e.Email)}
}

func passwordReset(e shop.PasswordResetRequested) Notice {
	return Notice{UserID: e.UserID, Kind: kind.PasswordReset, Path: "/reset-password", RequestID: &e.RequestID,
		Address: singleLine(e.Email)}
}

func passwordChanged(e shop.PasswordChanged) Notice {
	return Notice{UserID: e.UserID, Kind: kind.PasswordChange}
}

func locked(e shop.UserLocked) Notice {
	return Notice{UserID: e.UserID, Kind: kind.Locked, Address: singleLine(e.Email), Variables: template.Variables{
		Username: inline(e.Username), Address: inline(e.Address), Until: e.Until.UTC().Format("2006-01-02 15:04 UTC"),
	}}
}

func addressChanged(e shop.ProfileChanged) Notice {
	return Notice{UserID: e.UserID, Kind: kind.AddressChange, Address: singleLine(e.PreviousEmail),
		Variables: accountVariables(e.FullName, e.Username)}
}
