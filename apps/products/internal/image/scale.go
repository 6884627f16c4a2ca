package image

import "image"

// fit scales an image down so that its longer side is at most side. A pixel is the average of the area that it covers.
// It takes no memory beside the result and a row.
func fit(decoded image.Image, side int) *image.NRGBA {
	from, ok := decoded.(image.RGBA64Image) // all decoders return such an image
	if !ok {
		panic("image: a decoder without RGBA64At")
	}
	bounds := from.Bounds()
	w, h := bounds.Dx(), bounds.Dy()
	size := bounds.Size()
	if longer := max(w, h); longer > side {
		size = image.Pt(max(1, w*side/longer), max(1, h*side/longer))
	}
	to := image.NewNRGBA(image.Rectangle{Max: size})
	row := make([][4]uint64, size.X) // sums of one row of to, in units of 1/(w*h) of a pixel of from
	for y := range h {
		// In units of 1/size.Y of a row of from, row y covers [y*size.Y, (y+1)*size.Y) and row n of to [n*h, (n+1)*h).
		for top, n := y*size.Y, y*size.Y/h; top < (y+1)*size.Y; n++ {
			bottom := min((y+1)*size.Y, (n+1)*h)
			addRow(row, from, bounds.Min.X, bounds.Min.Y+y, w, uint64(bottom-top)) //nolint:gosec // positive
			if bottom == (n+1)*h {
				setRow(to, n, row, uint64(w)*uint64(h)) //nolint:gosec // positive
			}
			top = bottom
		}
	}
	return to
}

// addRow adds a row of from to the sums, in proportion to the height that it covers.
func addRow(row [][4]uint64, from image.RGBA64Image, x0, y, w int, height uint64) {
	for x := range w {
		c := from.RGBA64At(x0+x, y)
		for left, n := x*len(row), x*len(row)/w; left < (x+1)*len(row); n++ {
			right := min((x+1)*len(row), (n+1)*w)
			weight := uint64(right-left) * height //nolint:gosec // positive
			sum := &row[n]
			sum[0] += uint64(c.R) * weight
			sum[1] += uint64(c.G) * weight
			sum[2] += uint64(c.B) * weight
			sum[3] += uint64(c.A) * weight
			left = right
		}
	}
}

// setRow stores the sums of a row, whose weights add up to total, and resets them.
func setRow(to *image.NRGBA, y int, row [][4]uint64, total uint64) {
	for x, sum := range row {
		p := to.Pix[to.PixOffset(x, y):]
		if alpha := sum[3]; alpha > 0 { // the sums are multiplied by alpha
			for i := range 3 {
				p[i] = uint8(min(255, (sum[i]*255+alpha/2)/alpha)) //nolint:gosec // at most 255
			}
			p[3] = uint8((alpha/total*2 + 257) / 514) //nolint:gosec // at most 255
		}
		row[x] = [4]uint64{}
	}
}
