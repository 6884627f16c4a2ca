package image

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"slices"

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

// Memory of renders, in bytes. All renders of a replica together take at most maxRenderMemory; renditionMemory is for
// what one takes beside the decoded pixels: the file, the full size, turned and encoded.
const (
	maxRenderMemory = 384 << 20
	renditionMemory = 64 << 20
)

// formats are the accepted ones. Other packages may register further decoders.
var formats = []string{"jpeg", "png", "webp"}

// renditions are the two sizes of an image that are stored.
type renditions struct {
	width, height   int
	full, thumbnail Rendition
}

// render decodes a file by its content and encodes it again: upright, in sRGB, limited in size, and without metadata
// such as the location. It fails with ErrNotAnImage, ErrAnimated, ErrCMYK or ErrColors, or with ErrTooLarge before it
// allocates memory for the pixels. It calls reserve with the bytes that it will need.
func render(file []byte, reserve func(bytes int64) error) (p renditions, err error) {
	u, err := inspect(file)
	if err == nil {
		err = reserve(u.memory)
	}
	if err != nil {
		return p, err
	}
	full, err := u.decode()
	if err != nil {
		return p, err
	}
	p.width, p.height = full.Bounds().Dx(), full.Bounds().Dy()
	if p.full, err = encode(full, u.format == "png"); err != nil {
		return p, err
	}
	for len(p.full.Bytes) > maxStoredBytes { // for example a photograph as PNG
		full = fit(full, max(p.width, p.height)*3/4)
		p.width, p.height = full.Bounds().Dx(), full.Bounds().Dy()
		if p.full, err = encode(full, u.format == "png"); err != nil {
			return p, err
		}
	}
	p.thumbnail, err = encode(fit(full, thumbnailSide), false)
	return p, err
}

// upload is a file that can be decoded within the limits.
type upload struct {
	file   []byte
	format string
	isCMYK bool
	memory int64 // bytes that rendering takes at most
	metadata
}

// inspect reads everything but the pixels.
func inspect(file []byte) (u upload, err error) {
	if len(file) > maxFileBytes {
		return u, ErrTooLarge
	}
	config, format, err := image.DecodeConfig(bytes.NewReader(file))
	if err != nil && isAnimatedWebP(file) {
		return u, ErrAnimated
	}
	if err != nil || !slices.Contains(formats, format) || config.Width < 1 || config.Height < 1 {
		return u, ErrNotAnImage
	}
	u = upload{file: file, format: format, isCMYK: config.ColorModel == color.CMYKModel, metadata: readMetadata(format, file)}
	u.memory = renditionMemory + int64(u.bytesPerPixel)*int64(config.Width)*int64(config.Height)
	switch {
	case u.truncated:
		return u, ErrNotAnImage
	case config.Width > maxPixels/config.Height || u.memory > maxRenderMemory:
		return u, ErrTooLarge
	case u.animated:
		return u, ErrAnimated
	case u.isCMYK && u.inkless:
		return u, ErrCMYK
	}
	return u, nil
}

func isAnimatedWebP(file []byte) bool {
	return bytes.HasPrefix(file, []byte("RIFF")) && readMetadata("webp", file).animated
}

// decode returns the pixels in full size, upright and in sRGB.
func (u upload) decode() (*image.NRGBA, error) {
	convert, err := newColors(u.metadata, u.isCMYK)
	if err != nil {
		return nil, err
	}
	decoded, _, err := image.Decode(bytes.NewReader(u.file))
	if err != nil {
		return nil, ErrNotAnImage.Wrap(err)
	}
	if inks, ok := decoded.(*image.CMYK); ok && convert.pipeline != nil {
		if decoded, err = convert.convertInks(inks); err != nil {
			return nil, err
		}
	}
	full := fit(decoded, maxSide)
	if err := convert.convert(full); err != nil {
		return nil, err
	}
	return upright(full, u.turn), nil
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
