package template

import (
	"sidecart/apps/notifications/internal/kind"
	"sidecart/kit/shop"
)

var german = locale{
	greeting:    "Hallo{{if .Name}} {{.Name}}{{end}},",
	footer:      "Sie bekommen diese Nachricht, weil Sie ein Konto bei Sidecart haben.",
	unsubscribe: "Keine weiteren dieser Art",
	phrases: map[string]phrases{
		kind.Registered: {title: "Willkommen bei Sidecart", short: "Hallo {{.Name}}, Ihr Konto {{.Username}} ist bereit."},
		kind.Verification: {title: "Willkommen bei Sidecart: bitte bestätigen Sie Ihre E-Mail-Adresse", short: "Bitte bestätigen Sie Ihre E-Mail-Adresse.",
			paragraphs: []string{"willkommen bei Sidecart. Bitte bestätigen Sie, dass dies Ihre E-Mail-Adresse ist.",
				"Wenn Sie hier kein Konto eröffnet haben, vergessen Sie diese Nachricht: es geschieht nichts."}, button: "Adresse bestätigen"},
		kind.PasswordReset: {title: "Ein neues Passwort für Ihr Konto", short: "Jemand hat um ein neues Passwort gebeten.",
			paragraphs: []string{"jemand, hoffentlich Sie, hat um ein neues Passwort für Ihr Konto {{.Username}} gebeten.",
				"Wenn Sie das nicht waren, vergessen Sie diese Nachricht: Ihr Passwort bleibt, wie es ist."}, button: "Neues Passwort wählen"},
		kind.PasswordChange: {title: "Ihr Passwort wurde geändert", short: "Wenn Sie das nicht waren, fordern Sie sofort ein neues an."},
		kind.AddressChange: {title: "Post für Ihr Konto geht jetzt an eine andere Adresse",
			short: "Wenn Sie das nicht waren, melden Sie sich an, wählen Sie ein neues Passwort und tragen Sie Ihre Adresse wieder ein."},
		kind.Locked: {title: "Ihr Konto ist für eine Weile gesperrt",
			short: "Zu viele falsche Passwörter, zuletzt von {{.Address}}. Nach {{.Until}} können Sie sich wieder anmelden. Wenn Sie das nicht waren, wählen Sie ein neues Passwort."},
		kind.NewDevice: {title: "Ein neues Gerät hat sich bei Ihrem Konto angemeldet",
			short: "{{.Device}}, von {{.Address}}. Wenn Sie das nicht waren, wählen Sie ein neues Passwort: das meldet alle Geräte ab."},
		kind.Placed: {title: "Wir haben Ihre Bestellung {{.Number}}", button: "Zur Bestellung",
			short: "{{.Goods}}{{if .More}} und {{.More}} weitere{{end}}. Zusammen {{.Total}} {{.Currency}}; wir sagen Bescheid, sobald sie bezahlt ist."},
		kind.Paid: {title: "Ihre Bestellung {{.Number}} ist bezahlt", button: "Zur Bestellung",
			short: "Wir haben {{.Total}} {{.Currency}} erhalten. Ihre Ware ist bald unterwegs."},
		kind.Shipped: {title: "Ihre Bestellung {{.Number}} ist unterwegs", button: "Zur Bestellung",
			short: "{{if .Carrier}}Sie reist mit {{.Carrier}}{{else}}Sie hat uns verlassen{{end}}{{if .Tracking}}; die Sendungsnummer ist {{.Tracking}}{{end}}."},
		kind.Delivered: {title: "Ihre Bestellung {{.Number}} ist angekommen", short: "Wir hoffen, sie gefällt Ihnen.", button: "Zur Bestellung"},
		kind.Cancelled: {title: "Ihre Bestellung {{.Number}} ist storniert", button: "Zur Bestellung",
			short: "{{if .Reason}}Grund: {{.Reason}}. {{end}}Sie wird nicht verschickt."},
		kind.Refunded: {title: "Geld zurück für Ihre Bestellung {{.Number}}", button: "Zur Bestellung",
			short: "Wir haben {{.Total}} {{.Currency}} zurückgeschickt{{if .Partial}}, einen Teil Ihrer Zahlung{{end}}."},
		kind.PaymentFailed: {title: "Die Zahlung Ihrer Bestellung {{.Number}} ging nicht", button: "Zur Bestellung",
			short: "{{if .Reason}}Grund: {{.Reason}}. {{end}}Es wurde nichts abgebucht."},
		kind.StockLow: {title: "Wird knapp: {{.Product}}", short: "Von {{.SKU}} sind noch {{.Available}} da; die Marke ist {{.Threshold}}."},
		kind.StockOut: {title: "Ausverkauft: {{.Product}}", short: "Von {{.SKU}} ist nichts mehr da."},
		kind.StockBack: {title: "Wieder da: {{.Product}}", short: "Sie wollten es wissen: {{.Product}} gibt es wieder.",
			button: "Ansehen"},
		kind.Broadcast: {title: "{{.Title}}", short: "{{.Text}}"},
		kind.Digest:    {title: "Neues bei Sidecart", short: "{{.Text}}", button: "Alles Neue ansehen"},
	},
	reasons: map[shop.Reason]string{
		shop.Requested:            "auf Wunsch storniert",
		shop.Unpaid:               "sie wurde nicht rechtzeitig bezahlt",
		shop.ReservationExpired:   "die Reservierung der Ware ist vor der Zahlung abgelaufen",
		shop.PaymentDeclined:      "die Zahlung wurde abgelehnt",
		shop.CardDeclined:         "die Karte wurde abgelehnt",
		shop.CardExpired:          "die Karte ist abgelaufen",
		shop.InsufficientFunds:    "das Konto ist nicht gedeckt",
		shop.NotConfirmed:         "die Bank verlangt eine Bestätigung, die ausblieb",
		shop.UnknownPaymentMethod: "diese Zahlungsart gibt es nicht",
		shop.PaymentVoided:        "die Zahlung wurde abgebrochen",
	},
}
