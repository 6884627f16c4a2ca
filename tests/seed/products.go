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

// departments are the parent categories; each category has the kinds of its products and their average price.
var departments = []struct {
	name       string
	categories []category
}{
	{"Electronics", []category{
		{"Headphones", "Headphones|Earbuds|Headset", 120}, {"Speakers", "Speaker|Soundbar|Subwoofer", 180}, {"Cameras", "Camera|Camcorder|Action Camera", 450},
		{"Phones", "Phone|Feature Phone|Phone Stand", 400}, {"Computers", "Laptop|Mini PC|Monitor", 800}, {"Watches", "Watch|Fitness Tracker|Alarm Clock", 150}}},
	{"Home", []category{
		{"Lighting", "Desk Lamp|Floor Lamp|Night Light", 45}, {"Chairs", "Chair|Stool|Armchair", 130}, {"Tables", "Dining Table|Side Table|Desk", 240},
		{"Storage", "Rack|Basket|Drawer Unit", 60}, {"Textiles", "Blanket|Cushion|Curtain", 35}, {"Decoration", "Vase|Mirror|Picture Frame", 40}}},
	{"Kitchen", []category{
		{"Cookware", "Frying Pan|Saucepan|Casserole", 55}, {"Knives", "Chef's Knife|Bread Knife|Knife Block", 70}, {"Appliances", "Toaster|Kettle|Blender", 65},
		{"Tableware", "Plate Set|Mug|Bowl", 25}, {"Coffee", "Espresso Machine|Grinder|French Press", 190}}},
	{"Outdoor", []category{
		{"Camping", "Tent|Sleeping Bag|Camping Stove", 110}, {"Cycling", "Bicycle Helmet|Bike Light|Pannier", 50}, {"Garden", "Watering Can|Garden Shears|Planter", 30},
		{"Climbing", "Rope|Harness|Carabiner Set", 80}, {"Running", "Running Belt|Head Torch|Hydration Vest", 45}}},
	{"Clothing", []category{
		{"Jackets", "Rain Jacket|Down Jacket|Fleece", 140}, {"Shoes", "Hiking Boots|Sneakers|Sandals", 95}, {"Shirts", "T-Shirt|Polo Shirt|Flannel Shirt", 30},
		{"Accessories", "Scarf|Gloves|Beanie", 20}, {"Bags", "Backpack|Tote Bag|Travel Bag", 75}}},
	{"Play", []category{
		{"Board Games", "Strategy Game|Card Game|Party Game", 30}, {"Puzzles", "Jigsaw Puzzle|3D Puzzle|Brain Teaser", 20}, {"Models", "Model Kit|Train Set|Drone", 85}}},
}

type category struct {
	name, kinds string
	price       int
}

const perCategory = 40

var (
	makers  = []string{"Northwind", "Aldergate", "Lumen & Co", "Fjellstad", "Kestrel", "Orchard Works", "Tideline", "Halden", "Mirabel", "Pine & Pixel"}
	ranges  = []string{"Classic", "Compact", "Studio", "Traveller", "Everyday", "Pro", "Lite", "Heritage", "Nova", "Signature", "Terra", "Aero", "Urban", "Alpine"}
	colors  = []string{"black", "white", "red", "blue", "green", "sand", "grey", "copper"}
	fabrics = []string{"oak", "steel", "recycled plastic", "cotton", "aluminium", "bamboo", "wool", "glass"}
	slogans = []string{"Made to be repaired, not replaced", "A small thing that you will use every day", "Tested for two winters",
		"Quiet, sturdy and easy to clean", "Lighter than it looks", "Our own favourite", "Packs flat and travels well"}
)

// categories creates missing categories, by slug.
func (s *shop) categories(ctx context.Context) error {
	var existing struct {
		Items []struct {
			ID       int64
			Slug     string
			Children []struct {
				ID   int64
				Slug string
			}
		}
	}
	if err := s.admin.Call(ctx, "GET /api/v1/categories?tree=true", nil, 200, &existing); err != nil {
		return err
	}
	ids, created := map[string]int64{}, 0
	for _, parent := range existing.Items {
		ids[parent.Slug] = parent.ID
		for _, child := range parent.Children {
			ids[child.Slug] = child.ID
		}
	}
	create := func(name string, parent int64) error {
		if _, ok := ids[slug(name)]; ok {
			return nil
		}
		created++
		var c struct{ ID int64 }
		body := map[string]any{"name": name, "slug": slug(name)}
		if parent != 0 {
			body["parent_id"] = parent
		}
		err := s.admin.Call(ctx, "POST /api/v1/categories", body, 201, &c)
		ids[slug(name)] = c.ID
		return err
	}
	for _, d := range departments {
		if err := create(d.name, 0); err != nil {
			return err
		}
		for _, c := range d.categories {
			if err := create(c.name, ids[slug(d.name)]); err != nil {
				return err
			}
		}
	}
	fmt.Printf("%-12s %d created\n", "categories", created)
	return nil
}

func slug(name string) string { return strings.ReplaceAll(strings.ToLower(name), " ", "-") }

// importProducts imports the file, and reads the products for their ids.
func (s *shop) importProducts(ctx context.Context) error {
	res, err := retry(ctx, s.admin, "POST /api/v1/products/import", client.Raw(file()), "Content-Type", "text/csv")
	if err != nil {
		return err
	}
	var report struct {
		Created, Unchanged, Updated, Failed int
		Errors                              []map[string]any
	}
	if err := res.Into(200, &report); err != nil {
		return err
	}
	if report.Failed > 0 {
		return fmt.Errorf("%d rows failed: %v", report.Failed, report.Errors[0])
	}
	fmt.Printf("%-12s %d created, %d updated, %d unchanged\n", "products",
		report.Created, report.Updated, report.Unchanged)
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

// plentiful are the SKUs with enough initial stock for all seeded orders.
func plentiful() map[string]bool {
	rows, _ := csv.NewReader(strings.NewReader(file())).ReadAll() // our own file
	many := map[string]bool{}
	for _, row := range rows[1:] {
		n, err := strconv.Atoi(row[6])
		many[row[0]] = err == nil && n >= 30
	}
	return many
}

// file is the import file, the same in each run.
func file() string {
	dice := rand.New(rand.NewPCG(2026, 1)) //nolint:gosec // the same in each run
	pick := func(from []string) string { return from[dice.IntN(len(from))] }
	var out strings.Builder
	cells := csv.NewWriter(&out)
	rows := [][]string{{"sku", "name", "description", "price", "category", "brand", "initial_quantity",
		"low_stock_threshold", "attr.color", "attr.material", "attr.warranty_years"}}
	n := 0
	for _, d := range departments {
		for _, c := range d.categories {
			kinds := strings.Split(c.kinds, "|")
			for i := range perCategory {
				n++
				maker, kind, color, material := pick(makers), kinds[i%len(kinds)], pick(colors), pick(fabrics)
				quantity := dice.IntN(120)
				if dice.IntN(12) == 0 {
					quantity = 0
				}
				rows = append(rows, []string{
					fmt.Sprintf("SEED-%04d", n), fmt.Sprintf("%s %s %s", maker, pick(ranges), kind),
					fmt.Sprintf("%s. %s in %s, made of %s. From our range of %s.",
						pick(slogans), kind, color, material, strings.ToLower(c.name)),
					fmt.Sprintf("%d.%02d", c.price/2+dice.IntN(c.price), []int{0, 50, 90, 95, 99}[dice.IntN(5)]),
					slug(c.name), maker,
					fmt.Sprint(quantity), fmt.Sprint(5 + dice.IntN(6)), color, material, fmt.Sprint(1 + dice.IntN(5)),
				})
			}
		}
	}
	_ = cells.WriteAll(rows) // into memory
	return out.String()
}
