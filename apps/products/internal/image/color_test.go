package image

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"image"
	"image/color"
	"image/draw"
	"maps"
	"slices"
	"testing"
)

// TestProfilesAreConverted: the pictures are (200, 60, 40) in sRGB, and have the numbers of Display P3.
func TestProfilesAreConverted(t *testing.T) {
	want := color.NRGBA{R: 200, G: 60, B: 40, A: 255}
	for _, name := range []string{"display-p3.jpg", "display-p3.png", "display-p3.webp"} {
		file := picture(t, name)
		if img := renderPicture(t, name, file); !near(img, 8, 4, want, 4) {
			t.Errorf("%s: %v", name, img.At(8, 4))
		}
		p, err := renderFile(file)
		if err != nil || bytes.Contains(p.full.Bytes, []byte("ICC")) || bytes.Contains(p.full.Bytes, []byte("iCCP")) {
			t.Errorf("%s: the profile is kept, %v", name, err)
		}
	}
	p3 := readMetadata("webp", picture(t, "display-p3.webp")).profile
	for _, vivid := range []color.NRGBA{{R: 255, A: 255}, {G: 255, A: 255}, {B: 255, A: 255}} { // sRGB has none: its nearest, as lcms2 has it
		file := withProfile(t, asPNG(t, filled(vivid)), p3)
		if img := renderPicture(t, "vivid", file); !near(img, 4, 4, vivid, 2) {
			t.Errorf("%v: %v", vivid, img.At(4, 4))
		}
	}
	gray := image.NewGray(image.Rect(0, 0, 8, 8))
	for i := range gray.Pix {
		gray.Pix[i] = 128
	}
	light := withProfile(t, asPNG(t, gray), linearGray())
	if img := renderPicture(t, "gray", light); !near(img, 4, 4, color.NRGBA{R: 188, G: 188, B: 188, A: 255}, 1) {
		t.Errorf("half of the light: %v", img.At(4, 4))
	}
	renderPicture(t, "a gray JPEG with a profile of RGB", picture(t, "gray.jpg"))
}

func filled(c color.Color) *image.NRGBA {
	img := image.NewNRGBA(image.Rect(0, 0, 8, 8))
	draw.Draw(img, img.Bounds(), image.NewUniform(c), image.Point{}, draw.Src)
	return img
}

// withProfile adds a profile to a PNG.
func withProfile(t *testing.T, file, profile []byte) []byte {
	t.Helper()
	var data bytes.Buffer
	data.WriteString("a profile\x00\x00")
	w := zlib.NewWriter(&data)
	if _, err := w.Write(profile); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return withChunk(file, "iCCP", data.Bytes(), false)
}

// withJPEGProfile adds a profile in parts of a size.
func withJPEGProfile(file, profile []byte, size int) []byte {
	parts := slices.Collect(slices.Chunk(profile, size))
	var segments []byte
	for i, part := range parts {
		segments = append(segments, 0xff, 0xe2)
		segments = binary.BigEndian.AppendUint16(segments, uint16(2+14+len(part)))
		segments = append(segments, "ICC_PROFILE\x00"...)
		segments = append(append(segments, byte(i+1), byte(len(parts))), part...)
	}
	return slices.Insert(slices.Clone(file), 2, segments...)
}

func TestInvalidProfilesAreRefused(t *testing.T) {
	p3 := readMetadata("webp", picture(t, "display-p3.webp")).profile
	plain, jpeg := asPNG(t, halves(8, 8)), asJPEG(t, halves(8, 8), 1, binary.BigEndian)
	many := slices.Clone(p3)
	binary.BigEndian.PutUint32(many[128:], 0xffff_fff0) // the number of tags, which a parser may allocate
	far := slices.Clone(p3)
	binary.BigEndian.PutUint32(far[136:], 0xffff_fff0) // where a tag is
	bomb := make([]byte, maxProfileBytes+1)
	missing := withJPEGProfile(jpeg, p3, 100)
	missing = slices.Delete(missing, 2+118, 2+2*118)
	for name, file := range map[string][]byte{
		"text": withProfile(t, plain, []byte("no profile")), "empty": withProfile(t, plain, nil), "half": withProfile(t, plain, p3[:len(p3)/2]),
		"many tags": withProfile(t, plain, many), "a far tag": withProfile(t, plain, far), "a decompression bomb": withProfile(t, plain, bomb),
		"not compressed": withChunk(plain, "iCCP", append([]byte("x\x00\x00"), p3...), false), "no name": withChunk(plain, "iCCP", []byte("x"), false),
		"a part is missing": missing, "of CMYK": withProfile(t, plain, cmykProfile()), "of gray": withProfile(t, plain, linearGray()),
		"BT.2100, without a profile": withChunk(plain, "cICP", []byte{9, 16, 0, 1}, false), "of RGB, in CMYK": withJPEGProfile(picture(t, "cmyk.jpg"), p3, 4000),
	} {
		if p, err := renderFile(file); !errors.Is(err, ErrColors) {
			t.Errorf("%s: %v, %d by %d", name, err, p.width, p.height)
		}
	}
	renderPicture(t, "in parts", withJPEGProfile(jpeg, p3, 100))
	renderPicture(t, "sRGB, said in numbers", withChunk(plain, "cICP", []byte{1, 13, 0, 1}, false))
	for n := range p3 { // any byte damaged: refused or converted, and no panic
		damaged := slices.Clone(p3)
		damaged[n] ^= 0xff
		if _, err := renderFile(withProfile(t, plain, damaged)); err != nil && !errors.Is(err, ErrColors) {
			t.Errorf("byte %d: %v", n, err)
		}
	}
}

func TestCMYK(t *testing.T) {
	file := picture(t, "cmyk.jpg")
	want := color.NRGBA{R: 200, G: 60, B: 40, A: 255}
	if img := renderPicture(t, "Adobe's CMYK", file); !near(img, 8, 4, want, 40) {
		t.Errorf("Adobe's CMYK: %v", img.At(8, 4))
	}
	at := bytes.Index(file, []byte("Adobe"))
	ycck := slices.Clone(file)
	ycck[at+11] = 2 // the transform: the same numbers are YCCK now
	renderPicture(t, "YCCK", ycck)
	inkless := slices.Delete(slices.Clone(file), at-4, at-4+2+int(binary.BigEndian.Uint16(file[at-2:])))
	if _, err := renderFile(inkless); !errors.Is(err, ErrCMYK) {
		t.Errorf("without Adobe's marker: %v", err)
	}
	img := renderPicture(t, "with a profile", withJPEGProfile(file, cmykProfile(), 60_000))
	if r, _, b, _ := img.At(8, 4).RGBA(); b < r+0x4000 { // the profile's inks are blue
		t.Errorf("with a profile: %v", img.At(8, 4))
	}
}

// newProfile makes an ICC profile of version 2 with tags of four letters.
func newProfile(space, connection string, tags map[string][]byte) []byte {
	header := make([]byte, 128)
	binary.BigEndian.PutUint32(header[8:], 0x02400000)
	copy(header[12:], "prtr"+space+connection)
	copy(header[36:], "acsp")
	copy(header[68:], "\x00\x00\xf6\xd6\x00\x01\x00\x00\x00\x00\xd3\x2d") // D50
	table := binary.BigEndian.AppendUint32(nil, uint32(len(tags)))
	var data []byte
	for _, name := range slices.Sorted(maps.Keys(tags)) {
		at := 132 + 12*len(tags) + len(data)
		table = binary.BigEndian.AppendUint32(append(table, name...), uint32(at))
		table = binary.BigEndian.AppendUint32(table, uint32(len(tags[name])))
		data = append(append(data, tags[name]...), make([]byte, -len(tags[name])&3)...)
	}
	profile := slices.Concat(header, table, data)
	binary.BigEndian.PutUint32(profile, uint32(len(profile)))
	return profile
}

const whitePoint = "XYZ \x00\x00\x00\x00\x00\x00\xf6\xd6\x00\x01\x00\x00\x00\x00\xd3\x2d"

// linearGray is the profile of a gray whose numbers are proportional to the light.
func linearGray() []byte {
	return newProfile("GRAY", "XYZ ", map[string][]byte{
		"kTRC": []byte("curv\x00\x00\x00\x00\x00\x00\x00\x01\x01\x00"), "wtpt": []byte(whitePoint),
	})
}

// cmykProfile is the profile of four inks that are all blue.
func cmykProfile() []byte {
	lut := []byte("mft1\x00\x00\x00\x00\x04\x03\x02\x00")
	for i := range 9 { // the identity
		lut = binary.BigEndian.AppendUint32(lut, map[bool]uint32{true: 1 << 16}[i%4 == 0])
	}
	ramp := make([]byte, 256)
	for i := range ramp {
		ramp[i] = byte(i)
	}
	lut = append(lut, bytes.Repeat(ramp, 4)...)
	for corner := range 16 {
		if corner == 0 {
			lut = append(lut, 255, 128, 128) // paper: Lab (100, 0, 0)
		} else {
			lut = append(lut, 100, 128, 40) // Lab (39, 0, -88)
		}
	}
	lut = append(lut, bytes.Repeat(ramp, 3)...)
	return newProfile("CMYK", "Lab ", map[string][]byte{"A2B0": lut, "A2B1": lut, "wtpt": []byte(whitePoint)})
}
