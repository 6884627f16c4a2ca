package transfer_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"sidecart/apps/products/internal/transfer"
	"sidecart/kit/shop"
)

// TestConcurrentImports: files with the same products in different orders, imported concurrently, make each product
// once and refuse none.
func TestConcurrentImports(t *testing.T) {
	db, s := open(t)
	const n, files = 1200, 4
	row := func(i int) string {
		return fmt.Sprintf(`{"sku":"P-%d","name":"Thing","price":1,"category":"chairs","initial_quantity":2}`, i) + "\n"
	}
	var race sync.WaitGroup
	var reports [files]transfer.ProductImportReport
	for f := range files {
		var file strings.Builder
		for i := range n {
			if f%2 == 1 {
				i = n - 1 - i
			}
			file.WriteString(row(i))
		}
		race.Go(func() {
			var err error
			if reports[f], err = s.Import(context.Background(), shop.UserID{UUID: shop.NewID()}, "", jsonLines(strings.NewReader(file.String()))); err != nil {
				t.Error(err)
			}
		})
	}
	race.Wait()
	created := 0
	for _, r := range reports {
		created += r.Created
		if r.State != transfer.Done || r.Failed > 0 || r.Created+r.Unchanged != n {
			t.Errorf("%+v %.3v", r.ProductImport, r.Errors)
		}
	}
	var products, stock int
	if err := db.QueryRow(t.Context(), `select count(*), sum(on_hand) from stock`).Scan(&products, &stock); err != nil || products != n || stock != 2*n || created != n {
		t.Errorf("%d products with %d pieces, %d created, %v", products, stock, created, err)
	}
}

// TestCancelledImport: the rows of an import that its client gives up stay, and the import is broken.
func TestCancelledImport(t *testing.T) {
	_, s := open(t)
	ctx, cancel := context.WithCancel(t.Context())
	file := &generated{n: 5000}
	r, err := s.Import(ctx, shop.UserID{UUID: shop.NewID()}, "k", jsonLines(cancelling{file, 1500, cancel}))
	if err == nil || r.State != transfer.Broken || r.Created < 1000 || r.Created > 2000 {
		t.Errorf("%+v, %v", r.ProductImport, err)
	}
	if r, err = s.Import(t.Context(), shop.UserID{UUID: shop.NewID()}, "", jsonLines(&generated{n: 5000})); err != nil || r.Created+r.Unchanged != 5000 || r.Unchanged < 1000 {
		t.Errorf("again: %+v, %v", r.ProductImport, err)
	}
}

// cancelling cancels after a number of rows.
type cancelling struct {
	*generated
	after  int
	cancel func()
}

func (c cancelling) Read(p []byte) (int, error) {
	if c.made > c.after {
		c.cancel()
	}
	return c.generated.Read(p)
}
