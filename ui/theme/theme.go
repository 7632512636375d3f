// Package theme is the look of Sotto: its colours, type sizes, spacing, font and icons, as a theme of the toolkit.
//
// A program makes one theme with New and hands it to the settings of its app; SetMode followed by another
// Settings().SetTheme changes between light, dark and following the system. Widgets ask for colours and sizes by name:
//
//	background.FillColor = theme.Color(theme.ColorPanel)
//	title.TextSize = theme.TextTitle
//
// Everything is laid out on a grid of 8 pixels, with 4 as the half step.
package theme

import (
	"image/color"

	"fyne.io/fyne/v2"
	fynetheme "fyne.io/fyne/v2/theme"

	"github.com/sotto-chat/sotto/assets"
)

// The type hierarchy, in pixels at scale 1.
const (
	TextCaption float32 = 11 // times, badges, section headings
	TextSmall   float32 = 13 // second lines, buttons, hints
	TextBody    float32 = 14 // messages, fields, names
	TextTitle   float32 = 20 // titles of panes and dialogs
	TextDisplay float32 = 26 // first start, empty states
)

// Spacing, radii and other measures, in pixels at scale 1.
const (
	Grid         float32 = 8  // the unit of all distances
	BubbleRadius float32 = 12 // messages and cards
	FieldRadius  float32 = 10 // fields, buttons, selected rows
	DialogRadius float32 = 16
	TailRadius   float32 = 4  // the corner of a bubble that points at its author
	FocusWidth   float32 = 2  // the ring around what has the keyboard
	FieldPadding float32 = 11 // between the edge of a field and its text
)

// LineHeight is the distance of two baselines as a multiple of the text size.
const LineHeight float32 = 1.4

// Mode says which palette is used.
type Mode int

const (
	FollowSystem Mode = iota // light or dark as the desktop prefers, light when it does not say
	Light
	Dark
)

// String returns the name of the mode as it is kept in settings.
func (m Mode) String() string {
	switch m {
	case Light:
		return "light"
	case Dark:
		return "dark"
	default:
		return "system"
	}
}

// ParseMode is the inverse of String; every other name means FollowSystem.
func ParseMode(name string) Mode {
	switch name {
	case "light":
		return Light
	case "dark":
		return Dark
	default:
		return FollowSystem
	}
}

// Theme implements fyne.Theme. It is used on the main goroutine only.
type Theme struct {
	mode                              Mode
	accent                            Accent
	regular, bold, italic, boldItalic fyne.Resource
}

var _ fyne.Theme = (*Theme)(nil)

// New returns a theme in the given mode.
func New(mode Mode) *Theme {
	return &Theme{
		mode:       mode,
		regular:    font("Regular"),
		bold:       font("SemiBold"),
		italic:     font("Italic"),
		boldItalic: font("SemiBoldItalic"),
	}
}

func font(cut string) fyne.Resource {
	data, err := assets.Font(cut)
	if err != nil {
		return fynetheme.DefaultTextFont()
	}
	return fyne.NewStaticResource("Inter-"+cut+".otf", data)
}

// Mode returns the mode in use.
func (t *Theme) Mode() Mode { return t.mode }

// SetMode changes the mode. Give the theme to the app's settings again to have everything redrawn.
func (t *Theme) SetMode(mode Mode) { t.mode = mode }

// Color implements fyne.Theme.
func (t *Theme) Color(name fyne.ThemeColorName, variant fyne.ThemeVariant) color.Color {
	if c, ok := t.paletteOf(t.accent, variant)[name]; ok {
		return c
	}
	return fynetheme.DefaultTheme().Color(name, variant)
}

// Font implements fyne.Theme. Bold text is set in the semi-bold cut; scripts that Inter lacks come from the fonts of the
// toolkit and of the system.
func (t *Theme) Font(style fyne.TextStyle) fyne.Resource {
	switch {
	case style.Monospace, style.Symbol:
		return fynetheme.DefaultTheme().Font(style)
	case style.Bold && style.Italic:
		return t.boldItalic
	case style.Bold:
		return t.bold
	case style.Italic:
		return t.italic
	default:
		return t.regular
	}
}

// Icon implements fyne.Theme. The toolkit's own widgets keep the toolkit's icons.
func (t *Theme) Icon(name fyne.ThemeIconName) fyne.Resource {
	switch name {
	case fynetheme.IconNameVisibility:
		return Icon("eye", ColorSecondary)
	case fynetheme.IconNameVisibilityOff:
		return Icon("eye-off", ColorSecondary)
	}
	return fynetheme.DefaultTheme().Icon(name)
}

// Size implements fyne.Theme.
func (t *Theme) Size(name fyne.ThemeSizeName) float32 {
	switch name {
	case fynetheme.SizeNameText:
		return TextBody
	case fynetheme.SizeNameCaptionText:
		return TextCaption
	case fynetheme.SizeNameSubHeadingText:
		return TextTitle
	case fynetheme.SizeNameHeadingText:
		return TextDisplay
	case fynetheme.SizeNamePadding, fynetheme.SizeNameLineSpacing:
		return Grid / 2
	case fynetheme.SizeNameInnerPadding:
		return FieldPadding
	case fynetheme.SizeNameInlineIcon:
		return 20
	case fynetheme.SizeNameInputRadius, fynetheme.SizeNameButtonRadius, fynetheme.SizeNameSelectionRadius,
		fynetheme.SizeNameMenuRadius, fynetheme.SizeNamePopupRadius:
		return FieldRadius
	case fynetheme.SizeNameCardRadius:
		return BubbleRadius
	case fynetheme.SizeNameDialogRadius, fynetheme.SizeNameInnerWindowRadius:
		return DialogRadius
	case fynetheme.SizeNameInputBorder:
		return FocusWidth
	case fynetheme.SizeNameModalBlurRadius:
		return 0
	case fynetheme.SizeNameScrollBar:
		return 10
	case fynetheme.SizeNameScrollBarSmall:
		return 4
	case fynetheme.SizeNameScrollBarRadius:
		return 4
	default:
		return fynetheme.DefaultTheme().Size(name)
	}
}

// Color returns a colour of the theme that is in use.
func Color(name fyne.ThemeColorName) color.Color { return fynetheme.Color(name) }
