package fuzz_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"net/http"
	"slices"
	"strings"

	"sidecart/kit/shop"
	"sidecart/tests/client"
)

const password = "a password of sixteen words"

// account is a caller. The zero account has no token.
type account struct {
	name  string // admin, buyer or anonymous; names the token in curl commands
	id    string
	login string
	token string
}

// worker sends one request after another, with accounts and resources of its own: no other worker changes them.
type worker struct {
	number                  int
	base                    string
	admin, buyer, anonymous *account
	member                  *account // changes its profile
	other                   string   // a user that admins change
	category, parent        int64
	branch                  int64 // a category that changes
	product                 int64 // for sale
	draft                   int64 // a product that changes
	image                   int64 // of draft
	order                   string
	notification            string
	broadcast, delivery     string
	paid                    []string // orders to ship, refund or deliver
	disposable              *account // for the request: it ends its session
	made, images, renewals  int
}

func (w *worker) call(as *account, call string, body any, into any) error {
	want := map[string]int{"POST": 201, "GET": 200, "PUT": 200, "PATCH": 200, "DELETE": 204}[strings.Fields(call)[0]]
	if strings.HasSuffix(call, "/broadcast") {
		want = 202
	}
	if strings.HasSuffix(call, "/ship") {
		want = 200
	}
	method, path, _ := strings.Cut(call, " ")
	return client.Client{Base: w.base, Token: as.token}.Call(context.Background(), method+" /api/v1"+path, body, want, into)
}

// unique is a name that no other request has.
func (w *worker) unique() string {
	w.made++
	return fmt.Sprintf("w%d-%s", w.made, shop.NewID().String()[24:])
}

// signUp registers an account and signs it in.
func (w *worker) signUp(name string) (*account, error) {
	a := &account{name: name, login: "fuzz" + strings.ReplaceAll(w.unique(), "-", "")}
	var made struct{ ID string }
	body := map[string]string{"username": a.login, "email": a.login + "@example.com", "password": password}
	if err := w.call(&account{}, "POST /auth/register", body, &made); err != nil {
		return nil, err
	}
	a.id = made.ID
	return a, w.signIn(a)
}

func (w *worker) signIn(a *account) error {
	c, err := client.Client{Base: w.base}.SignIn(context.Background(), a.login, password)
	a.token = c.Token
	return err
}

// renew makes an account for an operation that uses it up.
func (w *worker) renew(operation string) (err error) {
	if slices.Contains(ending, operation) {
		w.disposable, err = w.signUp("other")
	}
	if operation == "updateAccount" { // an account gets only some mails an hour
		if w.renewals++; w.renewals%3 == 0 {
			w.member, err = w.signUp("member")
		}
	}
	if strings.HasSuffix(operation, "ProductImage") && err == nil {
		err = w.room()
	}
	return err
}

// setUp makes the accounts and resources.
func (w *worker) setUp() (err error) {
	w.anonymous = &account{name: "anonymous"}
	for name, a := range map[string]**account{"buyer": &w.buyer, "member": &w.member} {
		if *a, err = w.signUp(name); err != nil {
			return err
		}
	}
	someone, err := w.signUp("other")
	if err != nil {
		return err
	}
	w.other = someone.id
	for _, id := range []*int64{&w.category, &w.parent, &w.branch} {
		if *id, err = w.newCategory(); err != nil {
			return err
		}
	}
	for _, id := range []*int64{&w.product, &w.draft} {
		if *id, err = w.newProduct(); err != nil {
			return err
		}
	}
	if w.image, err = w.newImage(); err != nil {
		return err
	}
	if w.order, err = w.newOrder(); err != nil {
		return err
	}
	return w.findOthers()
}

// findOthers sets the ids of what the platform makes by itself.
func (w *worker) findOthers() error {
	var broadcast struct{ ID string }
	if err := w.call(w.admin, "POST /notifications/broadcast", client.Raw(`{"title":"t","body":"b","role":"admin"}`), &broadcast); err != nil {
		return err
	}
	w.broadcast = broadcast.ID
	var found client.Page[struct {
		ID       string
		Delivery string `json:"delivery_id"`
	}]
	if err := w.call(w.buyer, "GET /notifications", nil, &found); err != nil {
		return err
	}
	w.notification, w.delivery = shop.NewID().String(), shop.NewID().String()
	if len(found.Items) > 0 {
		w.notification = found.Items[0].ID
	}
	if err := w.call(w.admin, "GET /notifications/history", nil, &found); err != nil {
		return err
	}
	if len(found.Items) > 0 && found.Items[0].Delivery != "" {
		w.delivery = found.Items[0].Delivery
	}
	return nil
}

func (w *worker) create(call string, body string) (id int64, err error) {
	var made struct{ ID int64 }
	err = w.call(w.admin, call, client.Raw(body), &made)
	return made.ID, err
}

func (w *worker) newCategory() (int64, error) {
	return w.create("POST /categories", fmt.Sprintf(`{"name":"Category %s"}`, w.unique()))
}

func (w *worker) newProduct() (int64, error) {
	return w.create("POST /products", fmt.Sprintf(`{"name":"Product","sku":%q,"price":5.25,"category_id":%d,"initial_quantity":1000000}`, w.unique(), w.category))
}

// picture is a valid picture.
func picture() string {
	var out bytes.Buffer
	_ = png.Encode(&out, image.NewNRGBA(image.Rect(0, 0, 16, 16))) // to memory
	return out.String()
}

// room makes room for a picture: a product has twenty at most.
func (w *worker) room() (err error) {
	if w.images++; w.images < 15 {
		return nil
	}
	w.images = 0
	if w.draft, err = w.newProduct(); err == nil {
		w.image, err = w.newImage()
	}
	return err
}

func (w *worker) newImage() (int64, error) {
	media, body := multipartBody([]header{{"alt", "x"}, {"file", picture()}})
	r := &request{method: "POST", path: fmt.Sprintf("/api/v1/products/%d/images", w.draft), as: w.admin, media: media, body: body, hasBody: true}
	res, err := send(strings.TrimPrefix(w.base, "http://"), r)
	if err != nil {
		return 0, err
	}
	var made struct{ ID int64 }
	if res.StatusCode != http.StatusCreated {
		return 0, fmt.Errorf("add a picture: %d %s", res.StatusCode, res.body)
	}
	return made.ID, json.Unmarshal([]byte(res.body), &made)
}

const address = `"shipping_address":{"street":"123 Main St","city":"Anytown","state":"NY","postal_code":"12345","country":"US"},"payment_method":"credit_card"`

func (w *worker) newOrder() (id string, err error) {
	var made struct{ ID string }
	err = w.call(w.buyer, "POST /orders", client.Raw(fmt.Sprintf(`{"items":[{"product_id":%d,"quantity":2}],%s}`, w.product, address)), &made)
	return made.ID, err
}
