package template

import (
	"sidecart/apps/notifications/internal/kind"
	"sidecart/kit/shop"
)

var spanish = locale{
	greeting:    "Hola{{if .Name}}, {{.Name}}{{end}}:",
	footer:      "Recibe este mensaje porque tiene una cuenta en Sidecart.",
	unsubscribe: "No recibir más avisos como este",
	phrases: map[string]phrases{
		kind.Registered: {title: "Bienvenido a Sidecart", short: "Hola, {{.Name}}: su cuenta {{.Username}} está lista."},
		kind.Verification: {title: "Bienvenido a Sidecart: confirme su correo", short: "Confirme su dirección de correo.",
			paragraphs: []string{"Le damos la bienvenida a Sidecart. Confirme que esta es su dirección de correo.",
				"Si no ha abierto una cuenta aquí, olvide este mensaje: no ocurrirá nada."}, button: "Confirmar la dirección"},
		kind.PasswordReset: {title: "Una contraseña nueva para su cuenta", short: "Alguien ha pedido una contraseña nueva.",
			paragraphs: []string{"Alguien, esperamos que usted, ha pedido una contraseña nueva para su cuenta {{.Username}}.",
				"Si no ha sido usted, olvide este mensaje: su contraseña sigue siendo la misma."}, button: "Elegir una contraseña nueva"},
		kind.PasswordChange: {title: "Su contraseña ha cambiado", short: "Si no ha sido usted, pida enseguida una contraseña nueva."},
		kind.AddressChange: {title: "El correo de su cuenta va ahora a otra dirección",
			short: "Si no ha sido usted, entre, elija una contraseña nueva y vuelva a poner su dirección."},
		kind.Locked: {title: "Su cuenta está bloqueada por un tiempo",
			short: "Demasiadas contraseñas equivocadas, la última desde {{.Address}}. Podrá entrar de nuevo después de {{.Until}}. Si no ha sido usted, elija una contraseña nueva."},
		kind.NewDevice: {title: "Un dispositivo nuevo ha entrado en su cuenta",
			short: "{{.Device}}, desde {{.Address}}. Si no ha sido usted, elija una contraseña nueva: eso cierra todas las sesiones."},
		kind.Placed: {title: "Tenemos su pedido {{.Number}}", button: "Ver el pedido",
			short: "{{.Goods}}{{if .More}} y {{.More}} más{{end}}. En total {{.Total}} {{.Currency}}; le avisaremos cuando esté pagado."},
		kind.Paid: {title: "Su pedido {{.Number}} está pagado", button: "Ver el pedido",
			short: "Hemos recibido {{.Total}} {{.Currency}}. Sus artículos saldrán pronto."},
		kind.Shipped: {title: "Su pedido {{.Number}} está en camino", button: "Ver el pedido",
			short: "{{if .Carrier}}Viaja con {{.Carrier}}{{else}}Ha salido de nuestro almacén{{end}}{{if .Tracking}}; el número de seguimiento es {{.Tracking}}{{end}}."},
		kind.Delivered: {title: "Su pedido {{.Number}} ha llegado", short: "Esperamos que le guste.", button: "Ver el pedido"},
		kind.Cancelled: {title: "Su pedido {{.Number}} está cancelado", button: "Ver el pedido",
			short: "{{if .Reason}}Motivo: {{.Reason}}. {{end}}No se enviará."},
		kind.Refunded: {title: "Reembolso de su pedido {{.Number}}", button: "Ver el pedido",
			short: "Le hemos devuelto {{.Total}} {{.Currency}}{{if .Partial}}, una parte de lo que pagó{{end}}."},
		kind.PaymentFailed: {title: "El pago de su pedido {{.Number}} no ha funcionado", button: "Ver el pedido",
			short: "{{if .Reason}}Motivo: {{.Reason}}. {{end}}No se ha cobrado nada."},
		kind.StockLow: {title: "Queda poco: {{.Product}}", short: "Quedan {{.Available}} de {{.SKU}}; la marca es {{.Threshold}}."},
		kind.StockOut: {title: "Agotado: {{.Product}}", short: "No queda nada de {{.SKU}}."},
		kind.StockBack: {title: "De nuevo en la tienda: {{.Product}}", short: "Quería saberlo: {{.Product}} está aquí otra vez.",
			button: "Verlo"},
		kind.Broadcast: {title: "{{.Title}}", short: "{{.Text}}"},
		kind.Digest:    {title: "Novedades de Sidecart", short: "{{.Text}}", button: "Ver las novedades"},
	},
	reasons: map[shop.Reason]string{
		shop.Requested:            "cancelado a petición",
		shop.Unpaid:               "no se pagó a tiempo",
		shop.ReservationExpired:   "la reserva de los artículos terminó antes del pago",
		shop.PaymentDeclined:      "el pago fue rechazado",
		shop.CardDeclined:         "la tarjeta fue rechazada",
		shop.CardExpired:          "la tarjeta ha caducado",
		shop.InsufficientFunds:    "no hay fondos suficientes",
		shop.NotConfirmed:         "el banco pide una confirmación que no llegó",
		shop.UnknownPaymentMethod: "ese medio de pago no existe",
		shop.PaymentVoided:        "el pago fue anulado",
	},
}
