package image

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"io"
	"slices"
)

// metadata is what a file says about its pixels, beside what the decoders read.
type metadata struct {
	turn          int    // EXIF orientation, 1 (upright) to 8
	profile       []byte // ICC profile; nil if the colors are sRGB
	badProfile    bool   // the profile is incomplete, or the colors are described in another way
	animated      bool
	truncated     bool
	inkless       bool // a JPEG without Adobe's marker: it is not known how CMYK is stored
	bytesPerPixel int  // that decoding takes at most
}

// readMetadata reads a file whose header was decoded.
func readMetadata(format string, file []byte) metadata {
	m := metadata{turn: 1}
	switch format {
	case "jpeg":
		m.readJPEG(file)
	case "png":
		m.readPNG(file)
	case "webp":
		m.readWebP(file)
	}
	return m
}

const maxProfileBytes = 4 << 20

// readJPEG reads the segments before the image data. As the decoder does, it skips what is between segments.
func (m *metadata) readJPEG(file []byte) {
	m.inkless = true
	var profile [256][]byte // by sequence number, from 1
	parts := 0
	for at := 2; at+4 <= len(file); {
		if file[at] != 0xff || file[at+1] == 0 || file[at+1] == 0xff {
			at++
			continue
		}
		marker, length := file[at+1], int(binary.BigEndian.Uint16(file[at+2:]))
		if marker == 0xda || length < 2 || at+2+length > len(file) { // the image data, or an invalid segment
			break
		}
		segment := file[at+4 : at+2+length]
		at += 2 + length
		switch tiff, isEXIF := bytes.CutPrefix(segment, []byte("Exif\x00\x00")); {
		case marker == 0xe1 && isEXIF && m.turn == 1:
			m.turn = orientationIn(tiff)
		case marker == 0xe2 && bytes.HasPrefix(segment, []byte("ICC_PROFILE\x00")) && len(segment) > 14:
			profile[segment[12]], parts = segment[14:], int(segment[13])
		case marker == 0xee && bytes.HasPrefix(segment, []byte("Adobe")):
			m.inkless = false
		case marker == 0xc0 || marker == 0xc1 || marker == 0xc2:
			m.bytesPerPixel = jpegBytesPerPixel(segment, marker == 0xc2)
		}
	}
	m.badProfile = parts > 0 && slices.ContainsFunc(profile[1:parts+1], func(part []byte) bool { return part == nil })
	m.profile = slices.Concat(profile[:]...)
}

// jpegBytesPerPixel is a byte for each component without subsampling. A progressive JPEG also has four for each
// coefficient, and CMYK is copied.
func jpegBytesPerPixel(frame []byte, progressive bool) int {
	if len(frame) < 6 {
		return 0
	}
	components := int(frame[5])
	total := components
	if progressive {
		total += 4 * components
	}
	if components == 4 {
		total += 4
	}
	return total
}

// readPNG reads all chunks: the orientation may follow the image data.
func (m *metadata) readPNG(file []byte) {
	m.bytesPerPixel = 4
	for at := 8; at+12 <= len(file); {
		length := int64(binary.BigEndian.Uint32(file[at:]))
		if int64(at)+12+length > int64(len(file)) {
			break
		}
		data := file[at+8 : at+8+int(length)]
		switch string(file[at+4 : at+8]) {
		case "IHDR":
			if length == 13 {
				m.bytesPerPixel = 4 << (data[8] / 16) << min(data[12], 1) // 16 bits a channel; interlaced
			}
		case "eXIf":
			m.turn = orientationIn(data)
		case "iCCP":
			m.profile, m.badProfile = inflateProfile(data)
		case "cICP": // comes before iCCP, and is valid instead of it
			m.badProfile = !bytes.Equal(data, []byte{1, 13, 0, 1}) // sRGB
		case "acTL":
			m.animated = length >= 4 && binary.BigEndian.Uint32(data) > 1
		}
		at += 12 + int(length)
	}
}

// inflateProfile reads an iCCP chunk: a name, NUL, the method 0 and the compressed profile.
func inflateProfile(chunk []byte) (profile []byte, bad bool) {
	_, rest, ok := bytes.Cut(chunk, []byte{0})
	if !ok || len(rest) < 1 || rest[0] != 0 {
		return nil, true
	}
	r, err := zlib.NewReader(bytes.NewReader(rest[1:]))
	if err != nil {
		return nil, true
	}
	profile, err = io.ReadAll(io.LimitReader(r, maxProfileBytes+1))
	return profile, err != nil || len(profile) == 0 || len(profile) > maxProfileBytes
}

// readWebP reads the chunks of a RIFF file.
func (m *metadata) readWebP(file []byte) {
	m.bytesPerPixel = 8 // lossless, or lossy with transparency
	m.truncated = len(file) < 12 || int64(binary.LittleEndian.Uint32(file[4:]))+8 > int64(len(file))
	for at := 12; at+8 <= len(file); {
		length := int64(binary.LittleEndian.Uint32(file[at+4:]))
		if int64(at)+8+length > int64(len(file)) {
			break
		}
		data := file[at+8 : at+8+int(length)]
		switch string(file[at : at+4]) {
		case "VP8X":
			m.animated = m.animated || length > 0 && data[0]&2 != 0
		case "ANIM", "ANMF":
			m.animated = true
		case "ICCP":
			m.profile = data
		case "EXIF":
			tiff, _ := bytes.CutPrefix(data, []byte("Exif\x00\x00")) // some programs copy it from JPEG
			m.turn = orientationIn(tiff)
		}
		at += 8 + int(length+length&1)
	}
}
