package notice

import (
	"strings"

	"sidecart/apps/notifications/internal/kind"
	"sidecart/apps/notifications/internal/template"
	"sidecart/kit/shop"
)

func welcome(e shop.UserRegistered) Notice {
	return Notice{UserID: e.UserID, Kind: kind.Registered, Facts: template.Facts{Name: called(e.FullName, e.Username), Username: plain(e.Username)}}
}

func newDevice(e shop.NewDevice) Notice {
	return Notice{UserID: e.UserID, Kind: kind.NewDevice, Facts: template.Facts{Device: agentName(e.UserAgent), Address: plain(e.Address)}}
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
	case plain(agent) == "":
		return "?"
	}
	return plain(agent)
}

func verification(e shop.VerificationRequested) Notice {
	return Notice{UserID: e.UserID, Kind: kind.Verification, Path: "/verify-email", RequestID: &e.RequestID, Address: onOneLine(e.Email),
		Facts: template.Facts{Name: called(e.FullName, e.Username), Username: plain(e.Username)}}
}

func passwordReset(e shop.PasswordResetRequested) Notice {
	return Notice{UserID: e.UserID, Kind: kind.PasswordReset, Path: "/reset-password", RequestID: &e.RequestID, Address: onOneLine(e.Email),
		Facts: template.Facts{Name: called(e.FullName, e.Username), Username: plain(e.Username)}}
}

func passwordChanged(e shop.PasswordChanged) Notice {
	return Notice{UserID: e.UserID, Kind: kind.PasswordChange}
}

func locked(e shop.UserLocked) Notice {
	return Notice{UserID: e.UserID, Kind: kind.Locked, Address: onOneLine(e.Email),
		Facts: template.Facts{Username: plain(e.Username), Address: plain(e.Address), Until: e.Until.UTC().Format("2006-01-02 15:04 UTC")}}
}

func addressChanged(e shop.ProfileChanged) Notice {
	return Notice{UserID: e.UserID, Kind: kind.AddressChange, Address: onOneLine(e.PreviousEmail),
		Facts: template.Facts{Name: called(e.FullName, e.Username), Username: plain(e.Username)}}
}
