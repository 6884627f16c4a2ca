package image

import (
	"bytes"
	"encoding/binary"
)

// orientationIn returns the orientation of EXIF, 1 (upright) to 8: tag 0x0112 of the first directory of a TIFF. It is 1
// if it cannot be read.
func orientationIn(tiff []byte) int {
	var order binary.ByteOrder = binary.BigEndian
	if bytes.HasPrefix(tiff, []byte("II*\x00")) {
		order = binary.LittleEndian
	} else if !bytes.HasPrefix(tiff, []byte("MM\x00*")) {
		return 1
	}
	if len(tiff) < 8 {
		return 1
	}
	at := int64(order.Uint32(tiff[4:]))
	if at+2 > int64(len(tiff)) {
		return 1
	}
	entries := int64(order.Uint16(tiff[at:]))
	for i := range entries {
		entry := at + 2 + 12*i
		if entry+12 > int64(len(tiff)) {
			return 1
		}
		if order.Uint16(tiff[entry:]) == 0x0112 {
			return orientationOf(order, tiff[entry:entry+12])
		}
	}
	return 1
}

// orientationOf reads a directory entry: a short, or a byte or long of a program that is not exact.
func orientationOf(order binary.ByteOrder, entry []byte) int {
	var turn uint32
	switch order.Uint16(entry[2:]) {
	case 1:
		turn = uint32(entry[8])
	case 3:
		turn = uint32(order.Uint16(entry[8:]))
	case 4:
		turn = order.Uint32(entry[8:])
	}
	if turn < 1 || turn > 8 {
		return 1
	}
	return int(turn)
}
