package image

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"image"
	"image/draw"
	"image/jpeg"
	"image/png"
	"slices"

	scale "golang.org/x/image/draw"
	_ "golang.org/x/image/webp" // so that it can be read
)

// How large things may be: the file, in bytes; the picture as it comes, in pixels; what is kept of it, by its longer side;
// and each file that is kept, in bytes, so that every binding carries it.
const (
	maxFileBytes   = 8 << 20
	maxPixels      = 20_000_000
	maxSide        = 2048
	thumbnailSide  = 320
	maxStoredBytes = 3 << 20
)

// formats are those that are taken, whatever else a package may have made readable.
var formats = []string{"jpeg", "png", "webp"}

// renditions is a picture in the two sizes that are kept.
type renditions struct {
	width, height   int
	full, thumbnail Rendition
}

// render reads a picture, whatever its name says, and draws it anew: upright, not larger than needed, and without anything
// that came with it, such as where it was taken. It fails with ErrNotAnImage, or with ErrTooLarge before it makes room for the
// pixels.
func render(file []byte) (renditions, error) {
	if len(file) > maxFileBytes {
		return renditions{}, ErrTooLarge
	}
	config, format, err := image.DecodeConfig(bytes.NewReader(file))
	if err != nil || !slices.Contains(formats, format) || config.Width < 1 || config.Height < 1 {
		return renditions{}, ErrNotAnImage
	}
	if config.Width > maxPixels/config.Height {
		return renditions{}, ErrTooLarge
	}
	decoded, _, err := image.Decode(bytes.NewReader(file))
	if err != nil {
		return renditions{}, ErrNotAnImage
	}
	turn := 1
	if format == "jpeg" {
		turn = orientation(file)
	}
	full := upright(fit(decoded, maxSide), turn)
	p := renditions{width: full.Bounds().Dx(), height: full.Bounds().Dy()}
	if p.full, err = encode(full, format == "png"); err != nil {
		return p, err
	}
	for len(p.full.Bytes) > maxStoredBytes { // a photograph as PNG
		full = fit(full, max(p.width, p.height)*3/4)
		p.width, p.height = full.Bounds().Dx(), full.Bounds().Dy()
		if p.full, err = encode(full, format == "png"); err != nil {
			return p, err
		}
	}
	p.thumbnail, err = encode(fit(full, thumbnailSide), false)
	return p, err
}

// fit makes a picture smaller until its longer side is at most side.
func fit(from image.Image, side int) *image.NRGBA {
	size := from.Bounds().Size()
	if longer := max(size.X, size.Y); longer > side {
		size = image.Pt(max(1, size.X*side/longer), max(1, size.Y*side/longer))
	}
	to := image.NewNRGBA(image.Rectangle{Max: size})
	if size == from.Bounds().Size() {
		draw.Draw(to, to.Bounds(), from, from.Bounds().Min, draw.Src)
		return to
	}
	scale.BiLinear.Scale(to, to.Bounds(), from, from.Bounds(), scale.Src, nil)
	return to
}

// encode makes a JPEG of what has no transparent places, unless it shall be a PNG.
func encode(picture *image.NRGBA, asPNG bool) (p Rendition, err error) {
	var out bytes.Buffer
	if asPNG || !picture.Opaque() {
		p.MediaType, err = "image/png", png.Encode(&out, picture)
	} else {
		p.MediaType, err = "image/jpeg", jpeg.Encode(&out, picture, &jpeg.Options{Quality: 85})
	}
	digest := sha256.Sum256(out.Bytes())
	p.Bytes, p.Tag = out.Bytes(), hex.EncodeToString(digest[:12])
	return p, err
}

// upright turns and mirrors a picture as its EXIF orientation, 1 to 8, asks.
func upright(from *image.NRGBA, turn int) *image.NRGBA {
	if turn <= 1 || turn > 8 {
		return from
	}
	w, h := from.Bounds().Dx(), from.Bounds().Dy()
	size := image.Pt(w, h)
	if turn >= 5 {
		size = image.Pt(h, w)
	}
	to := image.NewNRGBA(image.Rectangle{Max: size})
	for y := range h {
		for x := range w {
			at := [9]image.Point{
				2: {w - 1 - x, y}, 3: {w - 1 - x, h - 1 - y}, 4: {x, h - 1 - y}, 5: {y, x}, 6: {h - 1 - y, x}, 7: {h - 1 - y, w - 1 - x}, 8: {y, w - 1 - x},
			}[turn]
			to.SetNRGBA(at.X, at.Y, from.NRGBAAt(x, y))
		}
	}
	return to
}
