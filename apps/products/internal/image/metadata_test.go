package image

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// picture reads a file of testdata, which README.md there describes.
func picture(t *testing.T, name string) []byte {
	t.Helper()
	file, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// renderPicture returns the full size of a file as pixels.
func renderPicture(t *testing.T, name string, file []byte) image.Image {
	t.Helper()
	p, err := renderFile(file)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	decoded, _, err := image.Decode(bytes.NewReader(p.full.Bytes))
	if err != nil || decoded.Bounds().Dx() != p.width || decoded.Bounds().Dy() != p.height {
		t.Fatalf("%s: %v %v, %d by %d", name, err, decoded.Bounds(), p.width, p.height)
	}
	return decoded
}

// near reports whether a pixel has a color, as far as JPEG keeps it.
func near(img image.Image, x, y int, want color.NRGBA, tolerance int) bool {
	got := color.NRGBAModel.Convert(img.At(x, y)).(color.NRGBA)
	for _, pair := range [][2]uint8{{got.R, want.R}, {got.G, want.G}, {got.B, want.B}, {got.A, want.A}} {
		if d := int(pair[0]) - int(pair[1]); d > tolerance || d < -tolerance {
			return false
		}
	}
	return true
}

var red, blue = color.NRGBA{R: 255, A: 255}, color.NRGBA{B: 255, A: 255}

// withChunk inserts a chunk into a PNG: after IHDR, or before IEND.
func withChunk(file []byte, name string, data []byte, last bool) []byte {
	chunk := binary.BigEndian.AppendUint32(nil, uint32(len(data)))
	chunk = append(append(chunk, name...), data...)
	chunk = binary.BigEndian.AppendUint32(chunk, crc32.ChecksumIEEE(chunk[4:]))
	at := 33
	if last {
		at = len(file) - 12
	}
	return slices.Insert(slices.Clone(file), at, chunk...)
}

// exifOf is EXIF with an orientation of a type: 1 byte, 3 short, 4 long.
func exifOf(turn, typ int) []byte {
	tiff := []byte("II*\x00\x08\x00\x00\x00\x01\x00\x12\x01")
	tiff = append(tiff, byte(typ), 0, 1, 0, 0, 0, byte(turn), 0, 0, 0)
	return append(tiff, "52.5200N 13.4050E"...)
}

// TestOrientationOfEachFormat: red is above blue after a turn of a picture that is red on the left.
func TestOrientationOfEachFormat(t *testing.T) {
	plain := asPNG(t, halves(48, 24))
	jpeg := asJPEG(t, halves(48, 24), 6, binary.BigEndian)
	for name, file := range map[string][]byte{
		"WebP, lossless":           picture(t, "turned.webp"),
		"WebP, lossy":              picture(t, "turned-lossy.webp"),
		"WebP, EXIF alone":         withoutEXIFPrefix(t, picture(t, "turned.webp")),
		"WebP, an odd length":      withOddChunk(t, picture(t, "turned.webp")),
		"PNG of libvips":           picture(t, "turned.png"),
		"PNG, before the pixels":   withChunk(plain, "eXIf", exifOf(6, 3), false),
		"PNG, after the pixels":    withChunk(plain, "eXIf", exifOf(6, 3), true),
		"PNG, a long":              withChunk(plain, "eXIf", exifOf(6, 4), false),
		"PNG, a byte":              withChunk(plain, "eXIf", exifOf(6, 1), false),
		"JPEG":                     jpeg,
		"JPEG, fill bytes":         slices.Insert(slices.Clone(jpeg), 2, 0xff, 0xff, 0xff),
		"JPEG, bytes between":      slices.Insert(slices.Clone(jpeg), 2, 'x', 'y'),
		"JPEG, a segment in front": slices.Insert(slices.Clone(jpeg), 2, 0xff, 0xe0, 0, 4, 'J', 'F'),
	} {
		img := renderPicture(t, name, file)
		if img.Bounds().Dx() != 24 || img.Bounds().Dy() != 48 || !near(img, 12, 4, red, 40) || !near(img, 12, 44, blue, 40) {
			t.Errorf("%s: %v, above %v, below %v", name, img.Bounds(), img.At(12, 4), img.At(12, 44))
		}
	}
	for name, file := range map[string][]byte{
		"upright": withChunk(plain, "eXIf", exifOf(1, 3), false), "zero": withChunk(plain, "eXIf", exifOf(0, 3), false),
		"nine": withChunk(plain, "eXIf", exifOf(9, 3), false), "text": withChunk(plain, "eXIf", exifOf(6, 2), false),
		"empty": withChunk(plain, "eXIf", nil, false), "no TIFF": withChunk(plain, "eXIf", []byte("none"), false),
	} {
		if img := renderPicture(t, name, file); img.Bounds().Dx() != 48 || !near(img, 4, 12, red, 2) {
			t.Errorf("%s: %v", name, img.Bounds())
		}
	}
}

// withoutEXIFPrefix removes the prefix of JPEG from the EXIF chunk of a WebP, where libvips writes it.
func withoutEXIFPrefix(t *testing.T, file []byte) []byte {
	t.Helper()
	at := bytes.Index(file, []byte("EXIF"))
	if at < 0 || string(file[at+8:at+14]) != "Exif\x00\x00" {
		t.Fatal("no EXIF")
	}
	file = slices.Delete(slices.Clone(file), at+8, at+14)
	binary.LittleEndian.PutUint32(file[at+4:], binary.LittleEndian.Uint32(file[at+4:])-6)
	binary.LittleEndian.PutUint32(file[4:], binary.LittleEndian.Uint32(file[4:])-6)
	return file
}

// withOddChunk inserts a chunk of one byte, which is padded, before the EXIF chunk of a WebP.
func withOddChunk(t *testing.T, file []byte) []byte {
	t.Helper()
	at := bytes.Index(file, []byte("EXIF"))
	if at < 0 {
		t.Fatal("no EXIF")
	}
	file = slices.Insert(slices.Clone(file), at, []byte("odd \x01\x00\x00\x00x\x00")...)
	binary.LittleEndian.PutUint32(file[4:], binary.LittleEndian.Uint32(file[4:])+10)
	return file
}

func TestEncodings(t *testing.T) {
	for _, name := range []string{"progressive.jpg", "interlaced.png", "16-bit.png", "palette.png"} {
		img := renderPicture(t, name, picture(t, name))
		if img.Bounds().Dx() != 48 || !near(img, 4, 12, red, 12) || !near(img, 44, 12, blue, 12) {
			t.Errorf("%s: %v %v %v", name, img.Bounds(), img.At(4, 12), img.At(44, 12))
		}
	}
	gray := image.NewGray16(image.Rect(0, 0, 8, 8))
	for i := range gray.Pix {
		gray.Pix[i] = 0x80
	}
	if img := renderPicture(t, "gray", asPNG(t, gray)); !near(img, 4, 4, color.NRGBA{R: 0x80, G: 0x80, B: 0x80, A: 255}, 1) {
		t.Errorf("gray, 16 bits: %v", img.At(4, 4))
	}
	half := image.NewNRGBA(image.Rect(0, 0, 4096, 2))
	for i := 0; i < len(half.Pix); i += 4 {
		copy(half.Pix[i:], []byte{200, 100, 50, 128})
	}
	if img := renderPicture(t, "transparent", asPNG(t, half)); !near(img, 4, 0, color.NRGBA{R: 200, G: 100, B: 50, A: 128}, 1) {
		t.Errorf("half transparent, scaled down: %v", img.At(4, 0))
	}
}

func TestAnimationsAreRefused(t *testing.T) {
	frames := func(n uint32) []byte { return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, n), 0) }
	plain := asPNG(t, halves(8, 8))
	for name, file := range map[string][]byte{
		"WebP": picture(t, "animated.webp"), "PNG": withChunk(plain, "acTL", frames(2), false),
	} {
		if _, err := renderFile(file); !errors.Is(err, ErrAnimated) {
			t.Errorf("%s: %v", name, err)
		}
	}
	renderPicture(t, "a PNG with one frame", withChunk(plain, "acTL", frames(1), false))
}

// TestPolyglots: what is not the picture is in no rendition.
func TestPolyglots(t *testing.T) {
	const script = "<script>alert(1)</script>PK\x03\x04"
	for name, file := range map[string][]byte{
		"JPEG, after the end": append(asJPEG(t, halves(8, 8), 1, binary.BigEndian), script...),
		"PNG, after the end":  append(asPNG(t, halves(8, 8)), script...),
		"PNG, in a comment":   withChunk(asPNG(t, halves(8, 8)), "tEXt", []byte("Comment\x00"+script), false),
		"WebP, after the end": append(picture(t, "turned.webp"), script...),
	} {
		p, err := renderFile(file)
		if err != nil || strings.Contains(string(p.full.Bytes)+string(p.thumbnail.Bytes), "script") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestTruncatedFiles are refused wherever they end, and never panic.
func TestTruncatedFiles(t *testing.T) {
	for _, name := range []string{"progressive.jpg", "interlaced.png", "turned.webp", "turned-lossy.webp", "cmyk.jpg", "display-p3.png"} {
		file := picture(t, name)
		for _, n := range []int{0, 1, 8, 12, 20, 33, len(file) / 4, len(file) / 2, len(file) * 3 / 4} {
			if _, err := renderFile(file[:n]); err == nil {
				t.Errorf("%s: its first %d bytes of %d are accepted", name, n, len(file))
			}
		}
	}
}

// FuzzRender: no file panics, and what is accepted can be decoded.
func FuzzRender(f *testing.F) {
	files, err := filepath.Glob("testdata/*.*g*")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range append(files, "testdata/turned.webp", "testdata/display-p3.webp", "testdata/animated.webp") {
		file, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(file)
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		u, err := inspect(file)
		if err != nil || u.memory > renditionMemory+1<<24 {
			t.Skip("refused, or too slow for many rounds")
		}
		p, err := renderFile(file)
		if err != nil {
			return
		}
		if _, _, err := image.Decode(bytes.NewReader(p.full.Bytes)); err != nil {
			t.Error(err)
		}
	})
}
