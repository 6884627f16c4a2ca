package image

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"

	"github.com/kovidgoyal/imaging/prism/meta/icc"
)

// colors converts from an ICC profile to sRGB. The zero value converts nothing.
type colors struct {
	space    icc.ColorSpace
	pipeline *icc.Pipeline
}

// newColors reads a profile of the pixels of a file. It fails with ErrColors if the profile cannot be read or is of
// another kind of pixels.
func newColors(m metadata, isCMYK bool) (c colors, err error) {
	defer recoverProfile(&err)
	if m.badProfile {
		return c, ErrColors
	}
	if len(m.profile) == 0 {
		return c, nil
	}
	if !tagsInside(m.profile) {
		return c, ErrColors
	}
	profile, err := icc.DecodeProfile(bytes.NewReader(m.profile))
	if err != nil {
		return c, ErrColors.Wrap(err)
	}
	c.space = profile.Header.DataColorSpace
	channels := map[icc.ColorSpace]int{icc.ColorSpaceRGB: 3, icc.ColorSpaceGray: 1, icc.ColorSpaceCMYK: 4}[c.space]
	if (c.space == icc.ColorSpaceCMYK) != isCMYK {
		return c, ErrColors
	}
	if profile.IsSRGB() {
		return c, nil
	}
	c.pipeline, err = profile.CreateTransformerToSRGB(icc.RelativeColorimetricRenderingIntent, true, channels, true, false, true)
	if err != nil {
		return c, ErrColors.Wrap(err)
	}
	return c, nil
}

// recoverProfile makes ErrColors of a panic: the bytes of a profile are input, and its parser indexes with them.
func recoverProfile(err *error) {
	if r := recover(); r != nil {
		*err = ErrColors.Wrap(fmt.Errorf("%v", r))
	}
}

// tagsInside reports whether all tags of a profile are inside it. The parser allocates what the tags say.
func tagsInside(profile []byte) bool {
	if len(profile) < 132 {
		return false
	}
	count := int64(binary.BigEndian.Uint32(profile[128:]))
	if 132+12*count > int64(len(profile)) {
		return false
	}
	for i := range count {
		tag := profile[132+12*i:]
		if int64(binary.BigEndian.Uint32(tag[4:]))+int64(binary.BigEndian.Uint32(tag[8:])) > int64(len(profile)) {
			return false
		}
	}
	return true
}

// convert converts RGB or gray pixels in place. A gray profile is for pixels without color; others fail with ErrColors.
func (c colors) convert(img *image.NRGBA) (err error) {
	defer recoverProfile(&err)
	if c.pipeline == nil || c.space == icc.ColorSpaceCMYK {
		return nil
	}
	var in, out [4]float64
	var last, result [3]uint8
	for i, first := 0, true; i+4 <= len(img.Pix); i += 4 {
		p := img.Pix[i : i+3 : i+3]
		if c.space == icc.ColorSpaceGray && (p[0] != p[1] || p[1] != p[2]) {
			return ErrColors
		}
		if first || last != [3]uint8(p) {
			first, last = false, [3]uint8(p)
			in = [4]float64{float64(p[0]) / 255, float64(p[1]) / 255, float64(p[2]) / 255}
			c.pipeline.TransformGeneral(out[:], in[:])
			result = [3]uint8{to8(out[0]), to8(out[1]), to8(out[2])}
		}
		copy(p, result[:])
	}
	return nil
}

// convertInks converts CMYK to RGB in the memory of the pixels.
func (c colors) convertInks(from *image.CMYK) (to *image.NRGBA, err error) {
	defer recoverProfile(&err)
	var in, out [4]float64
	var last [4]uint8
	var result [3]uint8
	for i, first := 0, true; i+4 <= len(from.Pix); i += 4 {
		p := from.Pix[i : i+4 : i+4]
		if first || last != [4]uint8(p) {
			first, last = false, [4]uint8(p)
			in = [4]float64{float64(p[0]) / 255, float64(p[1]) / 255, float64(p[2]) / 255, float64(p[3]) / 255}
			c.pipeline.TransformGeneral(out[:], in[:])
			result = [3]uint8{to8(out[0]), to8(out[1]), to8(out[2])}
		}
		p[0], p[1], p[2], p[3] = result[0], result[1], result[2], 255
	}
	return &image.NRGBA{Pix: from.Pix, Stride: from.Stride, Rect: from.Rect}, nil
}

func to8(x float64) uint8 { return uint8(max(0, min(x, 1))*255 + 0.5) }
