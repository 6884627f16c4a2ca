package main

import (
	"context"
	"encoding/csv"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"

	"sidecart/tests/client"
)

// branches of the shop, with what each shelf of them sells: its name, what is on it, and what that costs about.
var branches = []struct {
	name    string
	shelves []shelf
}{
	{"Electronics", []shelf{
		{"Headphones", "Headphones|Earbuds|Headset", 120}, {"Speakers", "Speaker|Soundbar|Subwoofer", 180}, {"Cameras", "Camera|Camcorder|Action Camera", 450},
		{"Phones", "Phone|Feature Phone|Phone Stand", 400}, {"Computers", "Laptop|Mini PC|Monitor", 800}, {"Watches", "Watch|Fitness Tracker|Alarm Clock", 150}}},
	{"Home", []shelf{
		{"Lighting", "Desk Lamp|Floor Lamp|Night Light", 45}, {"Chairs", "Chair|Stool|Armchair", 130}, {"Tables", "Dining Table|Side Table|Desk", 240},
		{"Storage", "Shelf|Basket|Drawer Unit", 60}, {"Textiles", "Blanket|Cushion|Curtain", 35}, {"Decoration", "Vase|Mirror|Picture Frame", 40}}},
	{"Kitchen", []shelf{
		{"Cookware", "Frying Pan|Saucepan|Casserole", 55}, {"Knives", "Chef's Knife|Bread Knife|Knife Block", 70}, {"Appliances", "Toaster|Kettle|Blender", 65},
		{"Tableware", "Plate Set|Mug|Bowl", 25}, {"Coffee", "Espresso Machine|Grinder|French Press", 190}}},
	{"Outdoor", []shelf{
		{"Camping", "Tent|Sleeping Bag|Camping Stove", 110}, {"Cycling", "Bicycle Helmet|Bike Light|Pannier", 50}, {"Garden", "Watering Can|Garden Shears|Planter", 30},
		{"Climbing", "Rope|Harness|Carabiner Set", 80}, {"Running", "Running Belt|Head Torch|Hydration Vest", 45}}},
	{"Clothing", []shelf{
		{"Jackets", "Rain Jacket|Down Jacket|Fleece", 140}, {"Shoes", "Hiking Boots|Sneakers|Sandals", 95}, {"Shirts", "T-Shirt|Polo Shirt|Flannel Shirt", 30},
		{"Accessories", "Scarf|Gloves|Beanie", 20}, {"Bags", "Backpack|Tote Bag|Travel Bag", 75}}},
	{"Play", []shelf{
		{"Board Games", "Strategy Game|Card Game|Party Game", 30}, {"Puzzles", "Jigsaw Puzzle|3D Puzzle|Brain Teaser", 20}, {"Models", "Model Kit|Train Set|Drone", 85}}},
}

type shelf struct {
	name, things string
	price        int
}

const perShelf = 40

var (
	makers = []string{"Northwind", "Aldergate", "Lumen & Co", "Fjellstad", "Kestrel", "Orchard Works", "Tideline", "Halden", "Mirabel", "Pine & Pixel"}
	ranges = []string{"Classic", "Compact", "Studio", "Traveller", "Everyday", "Pro", "Lite", "Heritage", "Nova", "Signature", "Terra", "Aero", "Urban", "Alpine"}
	colors = []string{"black", "white", "red", "blue", "green", "sand", "grey", "copper"}
	stuffs = []string{"oak", "steel", "recycled plastic", "cotton", "aluminium", "bamboo", "wool", "glass"}
	praise = []string{"Made to be repaired, not replaced", "A small thing that you will use every day", "Tested for two winters before we dared to sell it",
		"Quiet, sturdy and easy to clean", "Lighter than it looks", "The one we have at home", "Packs flat and travels well"}
)

// categories are opened where they are missing, by their slugs.
func (s *shop) categories(ctx context.Context) error {
	var there struct {
		Items []struct {
			ID       int64
			Slug     string
			Children []struct{ Slug string }
		}
	}
	if err := s.admin.Call(ctx, "GET /api/v1/categories?tree=true", nil, 200, &there); err != nil {
		return err
	}
	ids, below, made := map[string]int64{}, map[string]bool{}, 0
	for _, c := range there.Items {
		ids[c.Slug] = c.ID
		for _, child := range c.Children {
			below[child.Slug] = true
		}
	}
	for _, b := range branches {
		slug := slugOf(b.name)
		if _, ok := ids[slug]; !ok {
			var c struct{ ID int64 }
			if err := s.admin.Call(ctx, "POST /api/v1/categories", map[string]any{"name": b.name, "slug": slug}, 201, &c); err != nil {
				return err
			}
			ids[slug], made = c.ID, made+1
		}
		for _, sh := range b.shelves {
			if below[slugOf(sh.name)] {
				continue
			}
			shelf := map[string]any{"name": sh.name, "slug": slugOf(sh.name), "parent_id": ids[slug]}
			if err := s.admin.Call(ctx, "POST /api/v1/categories", shelf, 201, nil); err != nil {
				return err
			}
			made++
		}
	}
	fmt.Printf("%-12s %d made\n", "categories", made)
	return nil
}

func slugOf(name string) string { return strings.ReplaceAll(strings.ToLower(name), " ", "-") }

// goods come in by the file, and are then read back with their numbers.
func (s *shop) goods(ctx context.Context) error {
	a, err := patiently(ctx, s.admin, "POST /api/v1/products/import", client.Raw(file()), "Content-Type", "text/csv")
	if err != nil {
		return err
	}
	var report struct {
		Created, Unchanged, Updated, Failed int
		Errors                              []map[string]any
	}
	if err := a.Into(200, &report); err != nil {
		return err
	}
	if report.Failed > 0 {
		return fmt.Errorf("%d rows failed: %v", report.Failed, report.Errors[0])
	}
	fmt.Printf("%-12s %d made, %d changed, %d there\n", "products", report.Created, report.Updated, report.Unchanged)
	for next := ""; ; {
		var page struct {
			Items      []product
			NextCursor *string `json:"next_cursor"`
		}
		if err := s.admin.Call(ctx, "GET /api/v1/products?limit=100"+next, nil, 200, &page); err != nil {
			return err
		}
		for _, p := range page.Items {
			if strings.HasPrefix(p.SKU, "SEED-") {
				s.products = append(s.products, p)
			}
		}
		if page.NextCursor == nil {
			return nil
		}
		next = "&cursor=" + *page.NextCursor
	}
}

// plentiful says of which products there were so many at first that a seeded order does not find them sold out.
func plentiful() map[string]bool {
	rows, _ := csv.NewReader(strings.NewReader(file())).ReadAll() // what we wrote ourselves
	many := map[string]bool{}
	for _, row := range rows[1:] {
		n, err := strconv.Atoi(row[6])
		many[row[0]] = err == nil && n >= 30
	}
	return many
}

// file is the same each time.
func file() string {
	dice := rand.New(rand.NewPCG(2026, 1)) //nolint:gosec // the same each time, on purpose
	pick := func(from []string) string { return from[dice.IntN(len(from))] }
	var out strings.Builder
	cells := csv.NewWriter(&out)
	rows := [][]string{{"sku", "name", "description", "price", "category", "brand", "initial_quantity", "low_stock_threshold", "attr.color", "attr.material", "attr.warranty_years"}}
	n := 0
	for _, b := range branches {
		for _, sh := range b.shelves {
			things := strings.Split(sh.things, "|")
			for i := range perShelf {
				n++
				maker, thing, color, stuff := pick(makers), things[i%len(things)], pick(colors), pick(stuffs)
				quantity := dice.IntN(120)
				if dice.IntN(12) == 0 {
					quantity = 0
				}
				rows = append(rows, []string{
					fmt.Sprintf("SEED-%04d", n), fmt.Sprintf("%s %s %s", maker, pick(ranges), thing),
					fmt.Sprintf("%s. %s in %s, made of %s. From our shelf of %s.", pick(praise), thing, color, stuff, strings.ToLower(sh.name)),
					fmt.Sprintf("%d.%02d", sh.price/2+dice.IntN(sh.price), []int{0, 50, 90, 95, 99}[dice.IntN(5)]), slugOf(sh.name), maker,
					fmt.Sprint(quantity), fmt.Sprint(5 + dice.IntN(6)), color, stuff, fmt.Sprint(1 + dice.IntN(5)),
				})
			}
		}
	}
	_ = cells.WriteAll(rows) // into memory
	return out.String()
}
