package stock_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"sidecart/kit/event"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

// TestErasureDuringRestock erases a user with requests for many products, inserted in descending order, while these are
// released.
func TestErasureDuringRestock(t *testing.T) {
	const products = 40
	db, s := open(t, time.Hour, slices.Repeat([]int{1}, products)...)
	app := web.New("products", web.Config{Verify: kittest.Verify})
	s.Subscribe(event.NewHub(app, "products", event.NewOutbox(db)))
	var all []int
	for id := range products {
		all = append(all, id+1, 1)
	}
	for range 15 {
		order, alice := newOrder(), kittest.NewCaller(shop.User)
		if _, err := s.Reserve(t.Context(), order, items(all...)); err != nil {
			t.Fatal(err)
		}
		for id := int64(products); id > 0; id-- {
			if err := s.NotifyWhenInStock(t.Context(), alice.ID, id); err != nil {
				t.Fatal(err)
			}
		}
		var race sync.WaitGroup
		race.Go(func() {
			if err := s.Release(t.Context(), order); err != nil {
				t.Error(err)
			}
		})
		race.Go(func() {
			body := fmt.Sprintf(`{"id":%q,"type":"users.erased","data":{"user_id":%q}}`, shop.NewID(), alice.ID)
			kittest.Run(t, app, nil, []kittest.Call{{Name: "erased", Do: "POST /events/users.erased", Body: body, Want: 200, Has: []string{`"SUCCESS"`}}})
		})
		race.Wait()
		if t.Failed() {
			return
		}
	}
}
