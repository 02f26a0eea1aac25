package main

import (
	"fmt"
	"html"
	"strings"
)

// drawing is an SVG image on a card of its own, so that it can be read on light and dark pages.
type drawing struct {
	strings.Builder
	width, height float64
}

const svgStyle = `<style>
.card{fill:#ffffff;stroke:#d0d7de}.text{fill:#1f2328}.soft{fill:#59636e}.line{stroke:#afb8c1}.grid{stroke:#e5e9ed}
.own{fill:#0969da}.peer{fill:#9a9fa6}.broker{fill:#bf8700}.goal{stroke:#1a7f37;stroke-width:2}.missed{stroke:#cf222e;stroke-width:2}
@media (prefers-color-scheme:dark){.card{fill:#0d1117;stroke:#30363d}.text{fill:#e6edf3}.soft{fill:#9198a1}.line{stroke:#484f58}.grid{stroke:#21262d}
.own{fill:#4493f8}.peer{fill:#7d8590}.broker{fill:#d29922}.goal{stroke:#3fb950}.missed{stroke:#f85149}}
text{font-family:system-ui,-apple-system,"Segoe UI",Helvetica,Arial,sans-serif;font-size:12px}
.title{font-size:14px;font-weight:600}.small{font-size:11px}.right{text-anchor:end}.middle{text-anchor:middle}
</style>`

func (d *drawing) text(x, y float64, class, s string) {
	fmt.Fprintf(d, `<text x="%.1f" y="%.1f" class="%s">%s</text>`+"\n", x, y, class, html.EscapeString(s))
}

func (d *drawing) rect(x, y, w, h float64, class string) {
	fmt.Fprintf(d, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" rx="1.5" class="%s"/>`+"\n", x, y, max(w, 0), h, class)
}

func (d *drawing) line(x1, y1, x2, y2 float64, class string) {
	fmt.Fprintf(d, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" class="%s"/>`+"\n", x1, y1, x2, y2, class)
}

// image gives the file, once everything is drawn.
func (d *drawing) image(title string) string {
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %.0f" width="%.0f" height="%.0f" role="img" aria-label="%s">`+"\n%s\n"+
		`<rect x="0.5" y="0.5" width="%.0f" height="%.0f" rx="6" class="card"/>`+"\n%s</svg>\n",
		d.width, d.height, d.width, d.height, html.EscapeString(title), svgStyle, d.width-1, d.height-1, d.String())
}
