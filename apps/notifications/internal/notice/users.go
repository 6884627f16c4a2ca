package notice

import (
	"strings"

	"sidecart/apps/notifications/internal/kind"
	"sidecart/apps/notifications/internal/template"
	"sidecart/kit/shop"
)

func welcome(e shop.UserRegistered) Notice {
	return Notice{UserID: e.UserID, Kind: kind.Registered, Variables: template.Variables{Name: displayName(e.FullName, e.Username), Username: inline(e.Username)}}
}

func newDevice(e shop.NewDevice) Notice {
	return Notice{UserID: e.UserID, Kind: kind.NewDevice, Variables: template.Variables{Device: agentName(e.UserAgent), Address: inline(e.Address)}}
}

// agentName is what people know a user agent as; what nobody knows stays as it is written.
func agentName(agent string) string {
	browser, system := "", ""
	for _, b := range []string{"Edg", "OPR", "Firefox", "Chrome", "Safari", "curl"} {
		if browser == "" && strings.Contains(agent, b+"/") {
			browser = map[string]string{"Edg": "Edge", "OPR": "Opera"}[b]
			if browser == "" {
				browser = b
			}
		}
	}
	for _, s := range []string{"Android", "iPhone", "iPad", "Windows", "Mac OS X", "Linux"} {
		if system == "" && strings.Contains(agent, s) {
			system = s
		}
	}
	switch {
	case browser != "" && system != "":
		return browser + ", " + system
	case browser != "":
		return browser
	case inline(agent) == "":
		return "?"
	}
	return inline(agent)
}

func verification(e shop.VerificationRequested) Notice {
	return Notice{UserID: e.UserID, Kind: kind.Verification, Path: "/verify-email", RequestID: &e.RequestID, Address: singleLine(e.Email),
		Variables: template.Variables{Name: displayName(e.FullName, e.Username), Username: inline(e.Username)}}
}

func passwordReset(e shop.PasswordResetRequested) Notice {
	return Notice{UserID: e.UserID, Kind: kind.PasswordReset, Path: "/reset-password", RequestID: &e.RequestID, Address: singleLine(e.Email),
		Variables: template.Variables{Name: displayName(e.FullName, e.Username), Username: inline(e.Username)}}
}

func passwordChanged(e shop.PasswordChanged) Notice {
	return Notice{UserID: e.UserID, Kind: kind.PasswordChange}
}

func locked(e shop.UserLocked) Notice {
	return Notice{UserID: e.UserID, Kind: kind.Locked, Address: singleLine(e.Email),
		Variables: template.Variables{Username: inline(e.Username), Address: inline(e.Address), Until: e.Until.UTC().Format("2006-01-02 15:04 UTC")}}
}

func addressChanged(e shop.ProfileChanged) Notice {
	return Notice{UserID: e.UserID, Kind: kind.AddressChange, Address: singleLine(e.PreviousEmail),
		Variables: template.Variables{Name: displayName(e.FullName, e.Username), Username: inline(e.Username)}}
}
