// Products is the service for categories, products, images and stock.
package main

import (
	"context"
	"time"

	"sidecart/apps/products/internal/category"
	"sidecart/apps/products/internal/image"
	"sidecart/apps/products/internal/product"
	"sidecart/apps/products/internal/stock"
	"sidecart/apps/products/internal/transfer"
	"sidecart/kit/auth"
	"sidecart/kit/event"
	"sidecart/kit/service"
	"sidecart/kit/shop"
	"sidecart/kit/sidecar"
)

func main() { service.Main("products", run) }

func run(ctx context.Context, s *service.Service) error {
	cfg := s.Env.Web("8002")
	cfg.Streaming = true // uploads of images and imports exceed the default body limit
	hold := s.Env.Duration("RESERVATION_TTL", 30*time.Minute)
	language := s.Env.OneOf("PRODUCT_LANGUAGE", "en", product.Languages...)
	currency := s.Env.OneOf("PRODUCT_CURRENCY", "USD", shop.Currencies()...)
	if err := s.Connect(ctx); err != nil {
		return err
	}
	outbox, err := s.OpenDatabase(ctx, "products-database-url",
		category.Migrations, product.Migrations, image.Migrations, stock.Migrations, transfer.Migrations)
	if err != nil {
		return err
	}
	app := s.NewApp(ctx, cfg, auth.NewFeed(s.Sidecar.InvokeWithoutBreaker))
	category.NewService(outbox).Routes(app)
	transfer.NewService(outbox, product.Defaults{Language: language, Currency: currency}).Routes(app)
	product.NewService(outbox, language, currency).Routes(app)
	images := image.NewService(outbox, image.NewFiles(s.Sidecar))
	images.Routes(app)
	stocks := stock.NewService(outbox, hold)
	stocks.Routes(app)
	stocks.Subscribe(s.NewHub(sidecar.Endpoint{App: "users", Method: "POST", Path: event.ReplayPath}))
	s.Relay(s.Sidecar.Publish, true)
	s.Every("release-expired-reservations", "@every 30s", stocks.ReleaseExpired)
	s.Every("delete-unused-images", "@every 10m", images.DeleteUnused)
	return s.Serve(ctx)
}
