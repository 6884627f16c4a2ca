package shop

// Tag is a subject of the public API: its document groups operations by tags.
type Tag struct {
	Name        string `json:"name"`
	Description string `json:"description"`
}

// Tags are all subjects, in the order in which a buyer meets them.
var Tags = []Tag{
	{"auth", "Register, sign in and sign out, verify e-mail addresses, reset passwords, manage sessions."},
	{"account", "Read, change, export and delete your own account."},
	{"categories", "Browse the tree of categories; an admin changes it."},
	{"products", "Search and read products and their images; an admin creates, imports and changes them."},
	{"stock", "Stock levels, movements and alerts of products, and back-in-stock notifications."},
	{"cart", "Collect products in your cart and check out."},
	{"orders", "Place, follow and cancel orders; an admin ships, delivers and refunds them."},
	{"payments", "Webhooks of payment providers, and differences between their records and the shop's."},
	{"notifications", "Read notifications, stream them live, and choose how you are notified."},
	{"admin", "Users, the audit log, reports, message templates, broadcasts and deliveries."},
	{"health", "Whether the platform and its services are healthy."},
}
