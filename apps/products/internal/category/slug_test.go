package category_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"sidecart/apps/products/internal/category"
	"sidecart/kit/event"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

// TestSlugs: a name of any script makes a readable slug, names with the same one get different ones, and each slug can
// be sent back.
func TestSlugs(t *testing.T) {
	db := newDB(t)
	app := web.New("products", web.Config{Verify: kittest.Verify})
	category.NewService(event.NewOutbox(db)).Routes(app)
	admin, long := kittest.NewCaller(shop.Admin), strings.Repeat("x", 120)
	create := func(body, slug string) kittest.Call {
		return kittest.Call{Name: slug, As: admin, Do: "POST /categories", Body: body, Want: 201, Has: []string{`"slug":"` + slug + `"`}}
	}
	name := func(name, slug string) kittest.Call { return create(fmt.Sprintf(`{"name":%q}`, name), slug) }
	kittest.Run(t, app, db, []kittest.Call{
		name("Straße", "strasse"), name("STRASSE", "strasse-2"), name("København", "kobenhavn"), name("Łódź", "lodz"), name("Ψωμί", "psomi"),
		name("Обувь", "obuv"), name("运动鞋", "yun-dong-xie"), name("🎧", "item"), name("🎁", "item-2"),
		name(long, long), name(long, long[:118]+"-2"),
		create(`{"name":"Given","slug":"shoes-2"}`, "shoes-2"), name("Shoes", "shoes"), name("Shoes", "shoes-3"),
		{Name: "sent back", As: admin, Do: "PATCH /categories/11", Body: `{"slug":"` + long[:118] + `-2"}`, Want: 200, Has: []string{`"version":1`}},
		{Name: "given in another script", As: admin, Do: "POST /categories", Body: `{"name":"Shoes","slug":"straße"}`, Want: 422, Has: []string{`"slug"`}},
		{Name: "given in capitals", As: admin, Do: "POST /categories", Body: `{"name":"Shoes","slug":"Shoes"}`, Want: 422, Has: []string{`"slug"`}},
		{Name: "given empty in an update", As: admin, Do: "PATCH /categories/1", Body: `{"slug":""}`, Want: 422, Has: []string{`"slug"`}},
		{Name: "renamed: the slug stays", As: admin, Do: "PATCH /categories/1", Body: `{"name":"Gasse"}`, Want: 200, Has: []string{`"slug":"strasse"`}},
	})
	if _, err := db.Exec(t.Context(), `
		insert into categories (name, slug) select 'x', case n when 1 then 'much' else 'much-' || n end from generate_series(1, 1000) n`); err != nil {
		t.Fatal(err)
	}
	if status, body := kittest.Do(t, app, kittest.Call{As: admin, Do: "POST /categories", Body: `{"name":"Much"}`}); status != 201 {
		t.Errorf("the thousandth of a name: %d %s", status, body)
	}
}

// TestConcurrentSlugs: of concurrent categories that give one slug, one gets it, and a name that would make it gets
// another.
func TestConcurrentSlugs(t *testing.T) {
	s := category.NewService(event.NewOutbox(newDB(t)))
	var race sync.WaitGroup
	for i := range 40 {
		race.Go(func() {
			given := []string{"", "shoes", "shoes-2", "shoes-3"}[i%4]
			_, err := s.Create(context.Background(), category.NewCategory{Name: "Shoes", Slug: given})
			if err != nil && (given == "" || !errors.Is(err, category.ErrSlugTaken)) {
				t.Errorf("given %q: %v", given, err)
			}
		})
	}
	race.Wait()
}
