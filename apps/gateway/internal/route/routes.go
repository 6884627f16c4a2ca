package route

import (
	"time"

	"sidecart/kit/shop"
)

// Table is the public API: the gateway serves nothing else of the services. The service's path has no /api/v1, and
// begins with /v2 for /api/v2.
var Table = []Route{
	{Do: "POST /api/v1/auth/register", Service: "users", Need: shop.Anyone, Limit: registering},
	{Do: "POST /api/v1/auth/login", Service: "users", Need: shop.Anyone, Limit: signingIn},
	{Do: "POST /api/v1/auth/refresh", Service: "users", Need: shop.Anyone, Limit: refreshing},
	{Do: "POST /api/v1/auth/logout", Service: "users", Need: shop.SignedIn, Limit: writing},
	{Do: "GET /api/v1/users/me/sessions", Service: "users", Need: shop.SignedIn, Limit: reading},
	{Do: "DELETE /api/v1/users/me/sessions", Service: "users", Need: shop.SignedIn, Limit: writing},
	{Do: "DELETE /api/v1/users/me/sessions/{id}", Service: "users", Need: shop.SignedIn, Limit: writing},
	{Do: "POST /api/v1/auth/verify-email", Service: "users", Need: shop.Anyone, Limit: signingIn},
	{Do: "POST /api/v1/auth/verify-email/resend", Service: "users", Need: shop.Anyone, Limit: mailing},
	{Do: "POST /api/v1/auth/password/forgot", Service: "users", Need: shop.Anyone, Limit: mailing},
	{Do: "POST /api/v1/auth/password/reset", Service: "users", Need: shop.Anyone, Limit: signingIn},
	{Do: "GET /api/v1/users/me", Service: "users", Need: shop.SignedIn, Limit: reading},
	{Do: "PATCH /api/v1/users/me", Service: "users", Need: shop.SignedIn, Limit: writing},
	{Do: "DELETE /api/v1/users/me", Service: "users", Need: shop.SignedIn, Limit: signingIn},
	{Do: "GET /api/v1/users/me/export", Service: "users", Need: shop.SignedIn, Limit: exporting, Deadline: writeDeadline},
	{Do: "PUT /api/v1/users/me/password", Service: "users", Need: shop.SignedIn, Limit: signingIn},
	{Do: "GET /api/v1/users", Service: "users", Need: shop.ManageUsers, Limit: reading},
	{Do: "GET /api/v1/users/{id}", Service: "users", Need: shop.ManageUsers, Limit: reading},
	{Do: "PATCH /api/v1/users/{id}", Service: "users", Need: shop.ManageUsers, Limit: writing},
	{Do: "POST /api/v1/users/{id}/unlock", Service: "users", Need: shop.ManageUsers, Limit: writing},
	{Do: "GET /api/v1/audit", Service: "users", Need: shop.ReadAudit, Limit: reading},
	{Do: "GET /.well-known/jwks.json", Service: "users", Need: shop.Anyone, Limit: reading},
	{Do: "GET /.well-known/openid-configuration", Service: "users", Need: shop.Anyone, Limit: reading},

	{Do: "POST /api/v1/categories", Service: "products", Need: shop.ManageCatalogue, Limit: writing},
	{Do: "GET /api/v1/categories", Service: "products", Need: shop.Anyone, Limit: browsing, Cached: true},
	{Do: "GET /api/v1/categories/{id}", Service: "products", Need: shop.Anyone, Limit: browsing, Cached: true},
	{Do: "PATCH /api/v1/categories/{id}", Service: "products", Need: shop.ManageCatalogue, Limit: writing},
	{Do: "DELETE /api/v1/categories/{id}", Service: "products", Need: shop.ManageCatalogue, Limit: writing},
	{Do: "POST /api/v1/products", Service: "products", Need: shop.ManageCatalogue, Limit: writing},
	{Do: "GET /api/v1/products", Service: "products", Need: shop.Anyone, Limit: browsing, Cached: true},
	{Do: "POST /api/v1/products/import", Service: "products", Need: shop.ManageCatalogue, Limit: transferring, BodyLimit: 64 << 20, Deadline: 10 * time.Minute},
	{Do: "GET /api/v1/products/imports", Service: "products", Need: shop.ManageCatalogue, Limit: reading},
	{Do: "GET /api/v1/products/export", Service: "products", Need: shop.ManageCatalogue, Limit: transferring, Deadline: 10 * time.Minute},
	{Do: "GET /api/v1/products/{id}", Service: "products", Need: shop.Anyone, Limit: browsing, Cached: true},
	{Do: "PATCH /api/v1/products/{id}", Service: "products", Need: shop.ManageCatalogue, Limit: writing},
	{Do: "DELETE /api/v1/products/{id}", Service: "products", Need: shop.ManageCatalogue, Limit: writing},
	{Do: "POST /api/v1/products/{id}/images", Service: "products", Need: shop.ManageCatalogue, Limit: writing, BodyLimit: 9 << 20, Deadline: time.Minute},
	{Do: "GET /api/v1/products/{id}/images/{image_id}", Service: "products", Need: shop.Anyone, Limit: browsing, Deadline: writeDeadline},
	{Do: "PATCH /api/v1/products/{id}/images/{image_id}", Service: "products", Need: shop.ManageCatalogue, Limit: writing},
	{Do: "DELETE /api/v1/products/{id}/images/{image_id}", Service: "products", Need: shop.ManageCatalogue, Limit: writing},
	{Do: "GET /api/v1/products/{id}/inventory", Service: "products", Need: shop.ManageStock, Limit: reading},
	{Do: "POST /api/v1/products/{id}/inventory/adjustments", Service: "products", Need: shop.ManageStock, Limit: writing},
	{Do: "GET /api/v1/products/{id}/inventory/movements", Service: "products", Need: shop.ManageStock, Limit: reading},
	{Do: "PUT /api/v1/products/{id}/low-stock-threshold", Service: "products", Need: shop.ManageStock, Limit: writing},
	{Do: "POST /api/v1/products/{id}/notify-me", Service: "products", Need: shop.SignedIn, Limit: writing},
	{Do: "GET /api/v1/inventory/alerts", Service: "products", Need: shop.ManageStock, Limit: reading},

	{Do: "GET /api/v1/cart", Service: "orders", Need: shop.SignedIn, Limit: reading},
	{Do: "DELETE /api/v1/cart", Service: "orders", Need: shop.SignedIn, Limit: writing},
	{Do: "PUT /api/v1/cart/items/{product_id}", Service: "orders", Need: shop.SignedIn, Limit: writing},
	{Do: "DELETE /api/v1/cart/items/{product_id}", Service: "orders", Need: shop.SignedIn, Limit: writing},
	{Do: "POST /api/v1/cart/checkout", Service: "orders", Need: shop.SignedIn, Limit: buying},
	{Do: "POST /api/v1/orders", Service: "orders", Need: shop.SignedIn, Limit: buying},
	{Do: "GET /api/v1/orders", Service: "orders", Need: shop.SignedIn, Limit: reading},
	{Do: "GET /api/v1/orders/analytics", Service: "orders", Need: shop.SeeAnalytics, Limit: reading},
	{Do: "GET /api/v1/orders/{id}", Service: "orders", Need: shop.SignedIn, Limit: reading,
		Deprecated: Deprecation{Since: day("2027-01-01"), Sunset: day("2028-01-01"), Successor: "/api/v2/orders/{id}"}},
	{Do: "GET /api/v2/orders/{id}", Service: "orders", Need: shop.SignedIn, Limit: reading},
	{Do: "POST /api/v1/orders/{id}/cancel", Service: "orders", Need: shop.SignedIn, Limit: writing},
	{Do: "POST /api/v1/orders/{id}/ship", Service: "orders", Need: shop.ManageOrders, Limit: writing},
	{Do: "POST /api/v1/orders/{id}/deliver", Service: "orders", Need: shop.ManageOrders, Limit: writing},
	{Do: "POST /api/v1/orders/{id}/refund", Service: "orders", Need: shop.ManageOrders, Limit: writing},
	{Do: "POST /api/v1/orders/{id}/refunds/{refund_id}/retry", Service: "orders", Need: shop.ManageOrders, Limit: writing},
	{Do: "POST /api/v1/payments/webhooks/{provider}", Service: "orders", Need: shop.Anyone, Limit: webhooks},
	{Do: "GET /api/v1/payments/discrepancies", Service: "orders", Need: shop.ManageOrders, Limit: reading},
	{Do: "POST /api/v1/payments/discrepancies/{id}/refund", Service: "orders", Need: shop.ManageOrders, Limit: writing},

	{Do: "GET /api/v1/notifications", Service: "notifications", Need: shop.SignedIn, Limit: reading},
	{Do: "POST /api/v1/notifications/read-all", Service: "notifications", Need: shop.SignedIn, Limit: writing},
	{Do: "GET /api/v1/notifications/stream", Service: Gateway, Need: shop.SignedIn, Limit: reading},
	{Do: "GET /api/v1/notifications/preferences", Service: "notifications", Need: shop.SignedIn, Limit: reading},
	{Do: "PUT /api/v1/notifications/preferences", Service: "notifications", Need: shop.SignedIn, Limit: writing},
	{Do: "POST /api/v1/notifications/unsubscribe", Service: "notifications", Need: shop.Anyone, Limit: webhooks},
	{Do: "GET /api/v1/notifications/unsubscribe", Service: "notifications", Need: shop.Anyone, Limit: browsing},
	{Do: "GET /api/v1/notifications/opened", Service: "notifications", Need: shop.Anyone, Limit: browsing},
	{Do: "GET /api/v1/notifications/clicked", Service: "notifications", Need: shop.Anyone, Limit: browsing},
	{Do: "GET /api/v1/notifications/templates/{kind}/{channel}", Service: "notifications", Need: shop.ManageMessages, Limit: reading},
	{Do: "PUT /api/v1/notifications/templates/{kind}/{channel}", Service: "notifications", Need: shop.ManageMessages, Limit: writing},
	{Do: "POST /api/v1/notifications/templates/{kind}/{channel}/preview", Service: "notifications", Need: shop.ManageMessages, Limit: writing},
	{Do: "POST /api/v1/notifications/broadcast", Service: "notifications", Need: shop.ManageMessages, Limit: writing},
	{Do: "GET /api/v1/notifications/broadcast/{id}", Service: "notifications", Need: shop.ManageMessages, Limit: reading},
	{Do: "GET /api/v1/notifications/devices", Service: "notifications", Need: shop.SignedIn, Limit: reading},
	{Do: "POST /api/v1/notifications/devices", Service: "notifications", Need: shop.SignedIn, Limit: writing},
	{Do: "DELETE /api/v1/notifications/devices/{id}", Service: "notifications", Need: shop.SignedIn, Limit: writing},
	{Do: "GET /api/v1/notifications/history", Service: "notifications", Need: shop.ManageMessages, Limit: reading},
	{Do: "GET /api/v1/notifications/analytics", Service: "notifications", Need: shop.SeeAnalytics, Limit: reading},
	{Do: "POST /api/v1/notifications/deliveries/{id}/retry", Service: "notifications", Need: shop.ManageMessages, Limit: writing},
	{Do: "POST /api/v1/notifications/{id}/read", Service: "notifications", Need: shop.SignedIn, Limit: writing},

	{Do: "GET /api/v1/analytics/requests", Service: Gateway, Need: shop.SeeAnalytics, Limit: reading},
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
