package image

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"slices"
	"testing"
)

// halves returns an image that is red on the left and blue on the right.
func halves(w, h int) *image.NRGBA {
	picture := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			c := color.NRGBA{R: 255, A: 255}
			if x >= w/2 {
				c = color.NRGBA{B: 255, A: 255}
			}
			picture.SetNRGBA(x, y, c)
		}
	}
	return picture
}

func asPNG(t *testing.T, picture image.Image) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := png.Encode(&out, picture); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// asJPEG adds an EXIF segment with an orientation and a location.
func asJPEG(t *testing.T, picture image.Image, turn int, order binary.AppendByteOrder) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := jpeg.Encode(&out, picture, nil); err != nil {
		t.Fatal(err)
	}
	tiff := []byte("MM\x00*")
	if order == binary.LittleEndian {
		tiff = []byte("II*\x00")
	}
	tiff = order.AppendUint32(tiff, 8)
	tiff = order.AppendUint16(tiff, 1)
	tiff = order.AppendUint16(order.AppendUint16(tiff, 0x0112), 3)
	tiff = order.AppendUint16(order.AppendUint16(order.AppendUint32(tiff, 1), uint16(turn)), 0) //nolint:gosec // 1 to 8
	segment := append([]byte("Exif\x00\x00"), append(tiff, "52.5200N 13.4050E"...)...)
	head := append([]byte{0xff, 0xd8, 0xff, 0xe1}, binary.BigEndian.AppendUint16(nil, uint16(len(segment)+2))...) //nolint:gosec // small
	return slices.Concat(head, segment, out.Bytes()[2:])
}

// renderFile renders without a limit of memory.
func renderFile(file []byte) (renditions, error) {
	return render(file, func(int64) error { return nil })
}

func turnOf(jpeg []byte) int { return readMetadata("jpeg", jpeg).turn }

// webp is an image of 1 by 1 pixel.
var webp, _ = base64.StdEncoding.DecodeString("UklGRhoAAABXRUJQVlA4TA0AAAAvAAAAEAcQERGIiP4HAA==")

func TestRender(t *testing.T) {
	for name, c := range map[string]struct {
		file      []byte
		mediaType string
		w, h      int
	}{
		"PNG":            {asPNG(t, halves(40, 20)), "image/png", 40, 20},
		"large PNG":      {asPNG(t, halves(4096, 1024)), "image/png", 2048, 512},
		"JPEG":           {asJPEG(t, halves(40, 20), 1, binary.BigEndian), "image/jpeg", 40, 20},
		"JPEG on a side": {asJPEG(t, halves(40, 20), 6, binary.LittleEndian), "image/jpeg", 20, 40},
		"thin":           {asPNG(t, halves(5000, 1)), "image/png", 2048, 1},
		"WebP":           {webp, "", 1, 1},
	} {
		p, err := renderFile(c.file)
		if err != nil || p.width != c.w || p.height != c.h || c.mediaType != "" && p.full.MediaType != c.mediaType {
			t.Errorf("%s: %s of %d by %d, %v", name, p.full.MediaType, p.width, p.height, err)
			continue
		}
		small, _, err := image.DecodeConfig(bytes.NewReader(p.thumbnail.Bytes))
		if err != nil || small.Width > thumbnailSide || small.Height > thumbnailSide || p.full.Tag == "" {
			t.Errorf("%s: thumbnail %+v, %v", name, small, err)
		}
		for _, secret := range []string{"Exif", "52.5200N"} {
			if bytes.Contains(p.full.Bytes, []byte(secret)) || bytes.Contains(p.thumbnail.Bytes, []byte(secret)) {
				t.Errorf("%s keeps %s", name, secret)
			}
		}
	}
}

func TestRenderRefuses(t *testing.T) {
	var animated bytes.Buffer
	if err := gif.Encode(&animated, image.NewPaletted(image.Rect(0, 0, 2, 2), color.Palette{color.Black}), nil); err != nil {
		t.Fatal(err)
	}
	bomb := asPNG(t, halves(1, 1))
	binary.BigEndian.PutUint32(bomb[16:], 60_000) // width and height of the header: the pixels would take 14 GB
	binary.BigEndian.PutUint32(bomb[20:], 60_000)
	binary.BigEndian.PutUint32(bomb[29:], crc32.ChecksumIEEE(bomb[12:29]))
	whole := asPNG(t, halves(40, 40))
	for name, c := range map[string]struct {
		file []byte
		want error
	}{
		"text":               {[]byte("<svg onload=alert(1)>"), ErrNotAnImage},
		"a GIF":              {animated.Bytes(), ErrNotAnImage},
		"empty":              {nil, ErrNotAnImage},
		"truncated":          {whole[:len(whole)/2], ErrNotAnImage},
		"decompression bomb": {bomb, ErrTooLarge},
		"too many bytes":     {append(whole, make([]byte, maxFileBytes)...), ErrTooLarge},
		"only the header":    {whole[:10], ErrNotAnImage},
	} {
		if _, err := renderFile(c.file); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func TestUpright(t *testing.T) {
	// Only the upper left pixel is red. Its new position identifies the rotation.
	from := image.NewNRGBA(image.Rect(0, 0, 3, 2))
	red := color.NRGBA{R: 255, A: 255}
	from.SetNRGBA(0, 0, red)
	for turn, want := range map[int]image.Point{1: {0, 0}, 2: {2, 0}, 3: {2, 1}, 4: {0, 1}, 5: {0, 0}, 6: {1, 0}, 7: {1, 2}, 8: {0, 2}} {
		if got := upright(from, turn); got.NRGBAAt(want.X, want.Y) != red {
			t.Errorf("turn %d: not at %v", turn, want)
		}
	}
}

func TestOrientationOfInvalidFiles(t *testing.T) {
	valid := asJPEG(t, halves(4, 4), 8, binary.BigEndian)
	if got := turnOf(valid); got != 8 {
		t.Errorf("%d", got)
	}
	for n := range 60 { // truncated anywhere
		if got := turnOf(valid[:n]); got != 1 && got != 8 {
			t.Errorf("%d of the first %d bytes", got, n)
		}
	}
	far := slices.Clone(valid)
	copy(far[16:], "\xff\xff\xff\xff") // the offset of the directory
	if got := turnOf(far); got != 1 {
		t.Errorf("%d", got)
	}
}

func TestReordered(t *testing.T) {
	for _, c := range []struct {
		id       int64
		position int
		want     []int64
	}{{1, 1, []int64{1, 2, 3}}, {1, 2, []int64{2, 1, 3}}, {1, 9, []int64{2, 3, 1}}, {3, 1, []int64{3, 1, 2}}} {
		if got := reordered([]int64{1, 2, 3}, c.id, c.position); !slices.Equal(got, c.want) {
			t.Errorf("%d to %d: %v", c.id, c.position, got)
		}
	}
}
