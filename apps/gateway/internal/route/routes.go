package route

import (
	"time"

	"sidecart/kit/shop"
)

// Table is the public API: the gateway serves nothing else of the services. The service's path has no /api/v1, and
// begins with /v2 for /api/v2. A path that also matches a pattern precedes it.
var Table = []Route{
	{Do: "POST /api/v1/auth/register", By: "users", Need: shop.Anyone, Limit: registering},
	{Do: "POST /api/v1/auth/login", By: "users", Need: shop.Anyone, Limit: signingIn},
	{Do: "POST /api/v1/auth/refresh", By: "users", Need: shop.Anyone, Limit: refreshing},
	{Do: "POST /api/v1/auth/logout", By: "users", Need: shop.SignedIn, Limit: writing},
	{Do: "GET /api/v1/users/me/sessions", By: "users", Need: shop.SignedIn, Limit: reading},
	{Do: "DELETE /api/v1/users/me/sessions", By: "users", Need: shop.SignedIn, Limit: writing},
	{Do: "DELETE /api/v1/users/me/sessions/{id}", By: "users", Need: shop.SignedIn, Limit: writing},
	{Do: "POST /api/v1/auth/verify-email", By: "users", Need: shop.Anyone, Limit: signingIn},
	{Do: "POST /api/v1/auth/verify-email/resend", By: "users", Need: shop.Anyone, Limit: mailing},
	{Do: "POST /api/v1/auth/password/forgot", By: "users", Need: shop.Anyone, Limit: mailing},
	{Do: "POST /api/v1/auth/password/reset", By: "users", Need: shop.Anyone, Limit: signingIn},
	{Do: "GET /api/v1/users/me", By: "users", Need: shop.SignedIn, Limit: reading},
	{Do: "PATCH /api/v1/users/me", By: "users", Need: shop.SignedIn, Limit: writing},
	{Do: "DELETE /api/v1/users/me", By: "users", Need: shop.SignedIn, Limit: signingIn},
	{Do: "GET /api/v1/users/me/export", By: "users", Need: shop.SignedIn, Limit: exporting, Deadline: writeDeadline},
	{Do: "PUT /api/v1/users/me/password", By: "users", Need: shop.SignedIn, Limit: signingIn},
	{Do: "GET /api/v1/users", By: "users", Need: shop.ManageUsers, Limit: reading},
	{Do: "GET /api/v1/users/{id}", By: "users", Need: shop.ManageUsers, Limit: reading},
	{Do: "PATCH /api/v1/users/{id}", By: "users", Need: shop.ManageUsers, Limit: writing},
	{Do: "POST /api/v1/users/{id}/unlock", By: "users", Need: shop.ManageUsers, Limit: writing},
	{Do: "GET /api/v1/audit", By: "users", Need: shop.ReadAudit, Limit: reading},
	{Do: "GET /.well-known/jwks.json", By: "users", Need: shop.Anyone, Limit: reading},
	{Do: "GET /.well-known/openid-configuration", By: "users", Need: shop.Anyone, Limit: reading},

	{Do: "POST /api/v1/categories", By: "products", Need: shop.ManageCatalogue, Limit: writing},
	{Do: "GET /api/v1/categories", By: "products", Need: shop.Anyone, Limit: browsing, Cached: true},
	{Do: "GET /api/v1/categories/{id}", By: "products", Need: shop.Anyone, Limit: browsing, Cached: true},
	{Do: "PATCH /api/v1/categories/{id}", By: "products", Need: shop.ManageCatalogue, Limit: writing},
	{Do: "DELETE /api/v1/categories/{id}", By: "products", Need: shop.ManageCatalogue, Limit: writing},
	{Do: "POST /api/v1/products", By: "products", Need: shop.ManageCatalogue, Limit: writing},
	{Do: "GET /api/v1/products", By: "products", Need: shop.Anyone, Limit: browsing, Cached: true},
	{Do: "POST /api/v1/products/import", By: "products", Need: shop.ManageCatalogue, Limit: transferring, BodyLimit: 64 << 20, Deadline: 10 * time.Minute},
	{Do: "GET /api/v1/products/imports", By: "products", Need: shop.ManageCatalogue, Limit: reading},
	{Do: "GET /api/v1/products/export", By: "products", Need: shop.ManageCatalogue, Limit: transferring, Deadline: 10 * time.Minute},
	{Do: "GET /api/v1/products/{id}", By: "products", Need: shop.Anyone, Limit: browsing, Cached: true},
	{Do: "PATCH /api/v1/products/{id}", By: "products", Need: shop.ManageCatalogue, Limit: writing},
	{Do: "DELETE /api/v1/products/{id}", By: "products", Need: shop.ManageCatalogue, Limit: writing},
	{Do: "POST /api/v1/products/{id}/images", By: "products", Need: shop.ManageCatalogue, Limit: writing, BodyLimit: 9 << 20, Deadline: time.Minute},
	{Do: "GET /api/v1/products/{id}/images/{image_id}", By: "products", Need: shop.Anyone, Limit: browsing, Deadline: writeDeadline},
	{Do: "PATCH /api/v1/products/{id}/images/{image_id}", By: "products", Need: shop.ManageCatalogue, Limit: writing},
	{Do: "DELETE /api/v1/products/{id}/images/{image_id}", By: "products", Need: shop.ManageCatalogue, Limit: writing},
	{Do: "GET /api/v1/products/{id}/inventory", By: "products", Need: shop.ManageStock, Limit: reading},
	{Do: "POST /api/v1/products/{id}/inventory/adjustments", By: "products", Need: shop.ManageStock, Limit: writing},
	{Do: "GET /api/v1/products/{id}/inventory/movements", By: "products", Need: shop.ManageStock, Limit: reading},
	{Do: "PUT /api/v1/products/{id}/low-stock-threshold", By: "products", Need: shop.ManageStock, Limit: writing},
	{Do: "POST /api/v1/products/{id}/notify-me", By: "products", Need: shop.SignedIn, Limit: writing},
	{Do: "GET /api/v1/inventory/alerts", By: "products", Need: shop.ManageStock, Limit: reading},

	{Do: "GET /api/v1/cart", By: "orders", Need: shop.SignedIn, Limit: reading},
	{Do: "DELETE /api/v1/cart", By: "orders", Need: shop.SignedIn, Limit: writing},
	{Do: "PUT /api/v1/cart/items/{product_id}", By: "orders", Need: shop.SignedIn, Limit: writing},
	{Do: "DELETE /api/v1/cart/items/{product_id}", By: "orders", Need: shop.SignedIn, Limit: writing},
	{Do: "POST /api/v1/cart/checkout", By: "orders", Need: shop.SignedIn, Limit: buying},
	{Do: "POST /api/v1/orders", By: "orders", Need: shop.SignedIn, Limit: buying},
	{Do: "GET /api/v1/orders", By: "orders", Need: shop.SignedIn, Limit: reading},
	{Do: "GET /api/v1/orders/analytics", By: "orders", Need: shop.SeeAnalytics, Limit: reading},
	{Do: "GET /api/v1/orders/{id}", By: "orders", Need: shop.SignedIn, Limit: reading,
		Deprecated: Deprecation{Since: day("2027-01-01"), Sunset: day("2028-01-01"), Successor: "/api/v2/orders/{id}"}},
	{Do: "GET /api/v2/orders/{id}", By: "orders", Need: shop.SignedIn, Limit: reading},
	{Do: "POST /api/v1/orders/{id}/cancel", By: "orders", Need: shop.SignedIn, Limit: writing},
	{Do: "POST /api/v1/orders/{id}/ship", By: "orders", Need: shop.ManageOrders, Limit: writing},
	{Do: "POST /api/v1/orders/{id}/deliver", By: "orders", Need: shop.ManageOrders, Limit: writing},
	{Do: "POST /api/v1/orders/{id}/refund", By: "orders", Need: shop.ManageOrders, Limit: writing},
	{Do: "POST /api/v1/orders/{id}/refunds/{refund_id}/retry", By: "orders", Need: shop.ManageOrders, Limit: writing},
	{Do: "POST /api/v1/payments/webhooks/{provider}", By: "orders", Need: shop.Anyone, Limit: webhooks},
	{Do: "GET /api/v1/payments/discrepancies", By: "orders", Need: shop.ManageOrders, Limit: reading},
	{Do: "POST /api/v1/payments/discrepancies/{id}/refund", By: "orders", Need: shop.ManageOrders, Limit: writing},

	{Do: "GET /api/v1/notifications", By: "notifications", Need: shop.SignedIn, Limit: reading},
	{Do: "POST /api/v1/notifications/read-all", By: "notifications", Need: shop.SignedIn, Limit: writing},
	{Do: "GET /api/v1/notifications/stream", By: Here, Need: shop.SignedIn, Limit: reading},
	{Do: "GET /api/v1/notifications/preferences", By: "notifications", Need: shop.SignedIn, Limit: reading},
	{Do: "PUT /api/v1/notifications/preferences", By: "notifications", Need: shop.SignedIn, Limit: writing},
	{Do: "POST /api/v1/notifications/unsubscribe", By: "notifications", Need: shop.Anyone, Limit: webhooks},
	{Do: "GET /api/v1/notifications/unsubscribe", By: "notifications", Need: shop.Anyone, Limit: browsing},
	{Do: "GET /api/v1/notifications/opened", By: "notifications", Need: shop.Anyone, Limit: browsing},
	{Do: "GET /api/v1/notifications/clicked", By: "notifications", Need: shop.Anyone, Limit: browsing},
	{Do: "GET /api/v1/notifications/templates/{kind}/{channel}", By: "notifications", Need: shop.ManageMessages, Limit: reading},
	{Do: "PUT /api/v1/notifications/templates/{kind}/{channel}", By: "notifications", Need: shop.ManageMessages, Limit: writing},
	{Do: "POST /api/v1/notifications/templates/{kind}/{channel}/preview", By: "notifications", Need: shop.ManageMessages, Limit: writing},
	{Do: "POST /api/v1/notifications/broadcast", By: "notifications", Need: shop.ManageMessages, Limit: writing},
	{Do: "GET /api/v1/notifications/broadcast/{id}", By: "notifications", Need: shop.ManageMessages, Limit: reading},
	{Do: "GET /api/v1/notifications/devices", By: "notifications", Need: shop.SignedIn, Limit: reading},
	{Do: "POST /api/v1/notifications/devices", By: "notifications", Need: shop.SignedIn, Limit: writing},
	{Do: "DELETE /api/v1/notifications/devices/{id}", By: "notifications", Need: shop.SignedIn, Limit: writing},
	{Do: "GET /api/v1/notifications/history", By: "notifications", Need: shop.ManageMessages, Limit: reading},
	{Do: "GET /api/v1/notifications/analytics", By: "notifications", Need: shop.SeeAnalytics, Limit: reading},
	{Do: "POST /api/v1/notifications/deliveries/{id}/retry", By: "notifications", Need: shop.ManageMessages, Limit: writing},
	{Do: "POST /api/v1/notifications/{id}/read", By: "notifications", Need: shop.SignedIn, Limit: writing},

	{Do: "GET /api/v1/analytics/requests", By: Here, Need: shop.SeeAnalytics, Limit: reading},
}

// Others is the common limit of everything else: pages, API docs, the platform's health, and unknown paths.
var Others = reading

// Limits of one user, or one address without a token, on one route. RATE_LIMIT_SCALE multiplies them.
var (
	browsing     = Limit{PerMinute: 6000} // a shop's web server is often one address, and most responses are cached
	reading      = Limit{PerMinute: 600}
	webhooks     = Limit{PerMinute: 1200} // a payment provider or mail service sends for many users from few addresses
	writing      = Limit{PerMinute: 300}
	transferring = Limit{PerMinute: 30} // whole files
	buying       = Limit{PerMinute: 60}
	refreshing   = Limit{PerMinute: 60}
	registering  = Limit{PerMinute: 20}
	signingIn    = Limit{PerMinute: 10}
	exporting    = Limit{PerMinute: 10}
	mailing      = Limit{PerMinute: 5}
)
