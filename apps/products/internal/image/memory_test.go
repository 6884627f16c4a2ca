package image

import (
	"context"
	"errors"
	"runtime"
	"runtime/metrics"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sync/semaphore"
)

// statedBound is what the README states for the heap of all renders.
const statedBound = maxRenderMemory

// peakHeap returns the most memory that the heap takes while fn runs, garbage included, without what it took before.
func peakHeap(t *testing.T, fn func()) uint64 {
	t.Helper()
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	read := func() uint64 {
		metrics.Read(sample)
		return sample[0].Value.Uint64()
	}
	runtime.GC()
	before, peak := read(), uint64(0)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for tick := time.NewTicker(time.Millisecond); ; {
			select {
			case <-stop:
				tick.Stop()
				return
			case <-tick.C:
				peak = max(peak, read())
			}
		}
	}()
	fn()
	close(stop)
	<-stopped
	if peak < before {
		return 0
	}
	return peak - before
}

// TestTwoLargeUploadsStayBelowTheBound renders two images of 20 million pixels concurrently.
func TestTwoLargeUploadsStayBelowTheBound(t *testing.T) {
	file, s := picture(t, "large.jpg"), NewService(nil, Files{})
	peak := peakHeap(t, func() {
		var uploads sync.WaitGroup
		for range 2 {
			uploads.Go(func() {
				if p, err := s.render(t.Context(), file); err != nil || p.width != maxSide {
					t.Errorf("%d, %v", p.width, err)
				}
			})
		}
		uploads.Wait()
	})
	t.Logf("%d MiB", peak>>20)
	if peak > statedBound || peak < 20<<20 {
		t.Errorf("two images take %d MiB", peak>>20)
	}
}

// TestUploadsWaitForMemory: what does not fit waits, and is refused as busy after a while, with Retry-After.
func TestUploadsWaitForMemory(t *testing.T) {
	file := asPNG(t, halves(8, 8))
	u, err := inspect(file)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		s := &Service{memory: semaphore.NewWeighted(maxRenderMemory)}
		if err := s.memory.Acquire(t.Context(), maxRenderMemory); err != nil {
			t.Fatal(err)
		}
		waited := make(chan error, 1)
		go func() {
			_, err := s.render(context.Background(), file)
			waited <- err
		}()
		synctest.Wait()
		s.memory.Release(maxRenderMemory)
		if err := <-waited; err != nil {
			t.Errorf("when there is memory again: %v", err)
		}
		if !s.memory.TryAcquire(maxRenderMemory) {
			t.Fatal("a render keeps memory")
		}
		s.memory.Release(u.memory - 1) // a byte less than the render needs
		if _, err := s.render(context.Background(), file); !errors.Is(err, ErrBusy) {
			t.Errorf("without memory: %v", err)
		}
	})
}

func TestMemoryIsEstimated(t *testing.T) {
	const pixels = 48 * 24
	for name, perPixel := range map[string]int64{
		"progressive.jpg": 15, "interlaced.png": 8, "16-bit.png": 8, "palette.png": 4, "turned.webp": 8,
	} {
		u, err := inspect(picture(t, name))
		if err != nil || u.memory != renditionMemory+perPixel*pixels {
			t.Errorf("%s: %d bytes a pixel, want %d, %v", name, (u.memory-renditionMemory)/pixels, perPixel, err)
		}
	}
}
