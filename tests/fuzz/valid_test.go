package fuzz_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"sidecart/kit/shop"
	"sidecart/tests/client"
)

// ending are operations that end the session or the account of their caller.
var ending = []string{"signOut", "endSessions", "endSession", "deleteAccount", "changePassword", "refreshToken"}

// caller is an account that may call an operation.
func (w *worker) caller(o *operation) *account {
	switch {
	case len(o.Security) == 0:
		return w.anonymous
	case o.forAdmins() || o.ID == "getServiceHealth":
		return w.admin
	case o.ID == "updateAccount" || o.ID == "updatePreferences" || o.ID == "getPreferences":
		return w.member
	}
	return w.buyer
}

// kinds are kinds of templates, one a worker.
var kinds = []string{"orders.placed", "orders.paid", "orders.shipped", "orders.cancelled"}

// pathValue is a path parameter of something that exists and may be changed or deleted.
func (w *worker) pathValue(r *request, name string) (string, error) {
	number := func(id int64, err error) (string, error) { return fmt.Sprint(id), err }
	switch o := r.op; {
	case name == "kind":
		return kinds[w.number%len(kinds)], nil
	case name == "channel":
		return "email", nil
	case name == "provider":
		return "simulated", nil
	case name == "product_id":
		return number(w.product, nil)
	case name == "image_id" && o.method == "DELETE":
		return number(w.newImage())
	case name == "image_id":
		return number(w.image, nil)
	case name == "refund_id":
		return shop.NewID().String(), nil
	case strings.Contains(o.path, "/categories/") && o.method == "DELETE":
		return number(w.newCategory())
	case strings.Contains(o.path, "/categories/"):
		return number(w.branch, nil)
	case o.ID == "archiveProduct":
		return number(w.newProduct())
	case strings.Contains(o.path, "/products/"):
		return number(w.draft, nil)
	case strings.Contains(o.path, "/discrepancies/"):
		return "1", nil
	}
	return w.uuid(r.op)
}

func (w *worker) uuid(o *operation) (string, error) {
	switch {
	case o.ID == "cancelOrder":
		return w.newOrder()
	case o.ID == "shipOrder", o.ID == "refundOrder":
		return w.paidOrder()
	case o.ID == "deliverOrder":
		id, err := w.paidOrder()
		if err != nil {
			return "", err
		}
		return id, w.call(w.admin, "POST /orders/"+id+"/ship", client.Raw(`{"carrier":"DHL"}`), nil)
	case strings.Contains(o.path, "/orders/"):
		return w.order, nil
	case strings.Contains(o.path, "/broadcast/"):
		return w.broadcast, nil
	case strings.Contains(o.path, "/deliveries/"):
		return w.delivery, nil
	case o.ID == "readNotification":
		return w.notification, nil
	case o.ID == "removeDevice":
		var made struct{ ID string }
		err := w.call(w.buyer, "POST /notifications/devices", client.Raw(device(w.unique())), &made)
		return made.ID, err
	case strings.Contains(o.path, "/users/me/sessions/"):
		var sessions client.Page[struct{ ID string }]
		err := w.call(w.disposable, "GET /users/me/sessions", nil, &sessions)
		if err != nil || len(sessions.Items) == 0 {
			return shop.NewID().String(), err
		}
		return sessions.Items[0].ID, nil
	}
	return w.other, nil
}

// paidOrder returns an order that is paid and not shipped. It makes several together, because the payment takes a
// while.
func (w *worker) paidOrder() (id string, err error) {
	for range 5 * max(0, 1-len(w.paid)) {
		if id, err = w.newOrder(); err != nil {
			return "", err
		}
		w.paid = append(w.paid, id)
	}
	id, w.paid = w.paid[0], w.paid[1:]
	var order client.Order
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if err = w.call(w.buyer, "GET /orders/"+id, nil, &order); err != nil || order.Status != "pending" {
			return id, err
		}
	}
	return "", fmt.Errorf("order %s stays %s", id, order.Status)
}

func device(label string) string {
	return fmt.Sprintf(`{"endpoint":"https://fcm.googleapis.com/fcm/send/%s","label":%q,"keys":`+
		`{"p256dh":"BNcRdreALRFXTkOOUHK1EtK2wtaz5Ry4YfYCA_0QTpQtUbVlUls0VJXg7A8u-Ts1XbjhazAkj7I99e8QcYP7DkM","auth":"c2l4dGVlbiBieXRlcyAhIQ"}}`, label, label)
}

// prepare makes what an operation needs besides its path.
func (w *worker) prepare(b *builder) (err error) {
	if slices.Contains(ending, b.op.ID) && len(b.op.Security) > 0 {
		b.as = w.disposable
	}
	switch b.op.ID {
	case "checkout":
		return w.call(w.buyer, fmt.Sprintf("PUT /cart/items/%d", w.product), client.Raw(`{"quantity":1}`), nil)
	case "addDevice":
		return w.removeDevices()
	}
	return nil
}

// removeDevices makes room: a user has ten at most.
func (w *worker) removeDevices() error {
	var devices struct{ Items []struct{ ID string } }
	if err := w.call(w.buyer, "GET /notifications/devices", nil, &devices); err != nil {
		return err
	}
	for _, d := range devices.Items {
		if err := w.call(w.buyer, "DELETE /notifications/devices/"+d.ID, nil, nil); err != nil {
			return err
		}
	}
	return nil
}

// valid is a valid value of a body's field in JSON, or empty where the document's example will do.
func (w *worker) valid(r *request, at string) string {
	switch r.op.ID + " " + at {
	case "signIn username":
		return quote(w.buyer.login)
	case "signIn password", "changePassword current_password":
		return quote(password)
	case "register username":
		return quote("u" + strings.ReplaceAll(w.unique(), "-", ""))
	case "updateAccount username":
		return quote("m" + strings.ReplaceAll(w.unique(), "-", ""))
	case "refreshToken refresh_token":
		return quote(w.refreshToken())
	case "updateTemplate version":
		return fmt.Sprint(w.templateVersion(r.path))
	case "addDevice keys":
		var d struct{ Keys json.RawMessage }
		_ = json.Unmarshal([]byte(device("")), &d) // a constant
		return string(d.Keys)
	case "updateProduct slug", "createProduct slug", "importProducts slug", "createCategory slug", "updateCategory slug":
		return quote("slug-" + w.unique())
	}
	return w.validByName(at)
}

func (w *worker) validByName(at string) string {
	if strings.HasPrefix(at, "kinds") {
		return ""
	}
	switch at[strings.LastIndexByte(at, '.')+1:] {
	case "email":
		return quote(w.unique() + "@example.com")
	case "password", "new_password":
		return quote("correct horse battery " + w.unique())
	case "sku":
		return quote("SKU-" + w.unique())
	case "category_id":
		return fmt.Sprint(w.category)
	case "parent_id":
		return fmt.Sprint(w.parent)
	case "product_id":
		return fmt.Sprint(w.product)
	case "currency":
		return `"USD"`
	case "language":
		return `"en"`
	case "time_zone":
		return `"Europe/Berlin"`
	case "phone":
		return `"+491701234567"`
	case "quiet_hours":
		return `{"from":"22:00","until":"07:00"}`
	case "from":
		return `"22:00"`
	case "until":
		return `"07:00"`
	case "endpoint":
		return quote("https://fcm.googleapis.com/fcm/send/" + w.unique())
	case "state":
		return `"NY"`
	case "country":
		return `"US"`
	case "postal_code":
		return `"12345"`
	case "file":
		return quote(picture())
	}
	return ""
}

func (w *worker) refreshToken() string {
	var pair struct {
		Token string `json:"refresh_token"`
	}
	c := client.Client{Base: w.base}
	_ = c.Call(context.Background(), "POST /api/v1/auth/login", client.Form{"username": {w.disposable.login}, "password": {password}}, 200, &pair)
	return pair.Token
}

func (w *worker) templateVersion(path string) int {
	var t struct{ Version int }
	_ = w.call(w.admin, "GET "+strings.TrimPrefix(path, "/api/v1"), nil, &t) // 0, if the path is hostile
	return t.Version
}
