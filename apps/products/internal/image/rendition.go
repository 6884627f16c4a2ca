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
	_ "golang.org/x/image/webp" // registers the decoder
)

// Limits of an upload, and of what is stored of it. A side is the longer one, in pixels. Every binding can carry
// maxStoredBytes.
const (
	maxFileBytes   = 8 << 20
	maxPixels      = 20_000_000
	maxSide        = 2048
	thumbnailSide  = 320
	maxStoredBytes = 3 << 20
)

// formats are the accepted ones. Other packages may register further decoders.
var formats = []string{"jpeg", "png", "webp"}

// renditions are the two sizes of an image that are stored.
type renditions struct {
	width, height   int
	full, thumbnail Rendition
}

// render decodes a file by its content and encodes it again: upright, limited in size, and without metadata such as the
// location. It fails with ErrNotAnImage, or with ErrTooLarge before it allocates memory for the pixels.
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
	for len(p.full.Bytes) > maxStoredBytes { // for example a photograph as PNG
		full = fit(full, max(p.width, p.height)*3/4)
		p.width, p.height = full.Bounds().Dx(), full.Bounds().Dy()
		if p.full, err = encode(full, format == "png"); err != nil {
			return p, err
		}
	}
	p.thumbnail, err = encode(fit(full, thumbnailSide), false)
	return p, err
}

// fit scales an image down so that its longer side is at most side.
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

// encode returns a JPEG if the image is opaque and asPNG is false, otherwise a PNG.
func encode(img *image.NRGBA, asPNG bool) (p Rendition, err error) {
	var out bytes.Buffer
	if asPNG || !img.Opaque() {
		p.MediaType, err = "image/png", png.Encode(&out, img)
	} else {
		p.MediaType, err = "image/jpeg", jpeg.Encode(&out, img, &jpeg.Options{Quality: 85})
	}
	digest := sha256.Sum256(out.Bytes())
	p.Bytes, p.Tag = out.Bytes(), hex.EncodeToString(digest[:12])
	return p, err
}

// upright rotates and mirrors an image by its EXIF orientation, 1 to 8.
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
				2: {w - 1 - x, y}, 3: {w - 1 - x, h - 1 - y}, 4: {x, h - 1 - y},
				5: {y, x}, 6: {h - 1 - y, x}, 7: {h - 1 - y, w - 1 - x}, 8: {y, w - 1 - x},
			}[turn]
			to.SetNRGBA(at.X, at.Y, from.NRGBAAt(x, y))
		}
	}
	return to
}
