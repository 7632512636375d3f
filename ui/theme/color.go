package theme

import (
	"hash/fnv"
	"image/color"

	"fyne.io/fyne/v2"
	fynetheme "fyne.io/fyne/v2/theme"
)

// Names of the colours that have a meaning of their own in Sotto, beside those of the toolkit.
const (
	ColorBackground   = fynetheme.ColorNameBackground // behind the messages, and inside fields
	ColorPanel        = fyne.ThemeColorName("sottoPanel")
	ColorRail         = fyne.ThemeColorName("sottoRail")
	ColorLine         = fynetheme.ColorNameSeparator
	ColorText         = fynetheme.ColorNameForeground
	ColorSecondary    = fynetheme.ColorNamePlaceHolder
	ColorAccent       = fynetheme.ColorNamePrimary
	ColorOnAccent     = fynetheme.ColorNameForegroundOnPrimary
	ColorAccentSoft   = fyne.ThemeColorName("sottoAccentSoft")
	ColorBubble       = fyne.ThemeColorName("sottoBubble")       // other people's messages
	ColorOwnBubble    = fyne.ThemeColorName("sottoOwnBubble")    // one's own messages
	ColorOwnSecondary = fyne.ThemeColorName("sottoOwnSecondary") // times on one's own messages
	ColorQuote        = fyne.ThemeColorName("sottoQuote")        // quoted text inside other people's messages
	ColorOwnQuote     = fyne.ThemeColorName("sottoOwnQuote")     // quoted text inside one's own messages
	ColorSelected     = fyne.ThemeColorName("sottoSelected")
	ColorWarning      = fynetheme.ColorNameWarning
	ColorDanger       = fynetheme.ColorNameError
	ColorOnDanger     = fynetheme.ColorNameForegroundOnError
	ColorHover        = fynetheme.ColorNameHover
	ColorScrollBar    = fynetheme.ColorNameScrollBar
	ColorSelection    = fynetheme.ColorNameSelection        // behind selected text
	ColorDim          = fyne.ThemeColorName("sottoDim")     // laid over the window behind a dialog
	ColorEdge         = fyne.ThemeColorName("sottoEdge")    // the faint lower edge and shadow of bubbles and cards
	ColorTooltip      = fyne.ThemeColorName("sottoTooltip") // behind the text of a tooltip
	ColorOnTooltip    = fyne.ThemeColorName("sottoOnTooltip")
	ColorTrack        = fyne.ThemeColorName("sottoTrack")     // a switch that is off, the empty part of a progress bar
	ColorHighlight    = fyne.ThemeColorName("sottoHighlight") // behind what a search found
	ColorMedia        = fyne.ThemeColorName("sottoMedia")     // under signs and words that lie on a picture
	ColorOnMedia      = fyne.ThemeColorName("sottoOnMedia")
	ColorStage        = fyne.ThemeColorName("sottoStage") // around a picture that fills the window, in both palettes
)

type palette map[fyne.ThemeColorName]color.NRGBA

func rgb(v uint32) color.NRGBA {
	return color.NRGBA{R: uint8(v >> 16), G: uint8(v >> 8), B: uint8(v), A: 0xff}
}

func rgba(v uint32, alpha uint8) color.NRGBA {
	c := rgb(v)
	c.A = alpha
	return c
}

var light = withToolkit(palette{
	ColorBackground:   rgb(0xF4F6F8),
	ColorPanel:        rgb(0xFFFFFF),
	ColorRail:         rgb(0xE9EDF1),
	ColorLine:         rgb(0xE1E6EB),
	ColorText:         rgb(0x131820),
	ColorSecondary:    rgb(0x5F6B7A),
	ColorAccent:       rgb(0x0F766E),
	ColorOnAccent:     rgb(0xFFFFFF),
	ColorAccentSoft:   rgb(0xD9F0EC),
	ColorBubble:       rgb(0xFFFFFF),
	ColorOwnBubble:    rgb(0xD3EFE9),
	ColorOwnSecondary: rgb(0x4C5F5C),
	ColorQuote:        rgb(0xECF4F4),
	ColorOwnQuote:     rgb(0xC3E5DE),
	ColorSelected:     rgb(0xE3EEF0),
	ColorWarning:      rgb(0xB45309),
	ColorDanger:       rgb(0xC2352B),
	ColorOnDanger:     rgb(0xFFFFFF),
	ColorHover:        rgba(0x131820, 0x0D),
	ColorDim:          rgba(0x0B0E12, 0x73),
	ColorEdge:         rgba(0x131820, 0x14),
	ColorTooltip:      rgb(0x1C2430),
	ColorOnTooltip:    rgb(0xF4F6F8),
	ColorTrack:        rgb(0xD5DCE3),
	ColorHighlight:    rgb(0xFFE58A),
	ColorMedia:        rgba(0x0B0E12, 0xA6),
	ColorOnMedia:      rgb(0xFFFFFF),
	ColorStage:        rgba(0x0B0E12, 0xF5),
})

var dark = withToolkit(palette{
	ColorBackground:   rgb(0x0F1317),
	ColorPanel:        rgb(0x151A20),
	ColorRail:         rgb(0x0B0E12),
	ColorLine:         rgb(0x232B34),
	ColorText:         rgb(0xE6EAF0),
	ColorSecondary:    rgb(0x8D99A8),
	ColorAccent:       rgb(0x2CC4B0),
	ColorOnAccent:     rgb(0x0B0E12),
	ColorAccentSoft:   rgb(0x123B37),
	ColorBubble:       rgb(0x1D242C),
	ColorOwnBubble:    rgb(0x124A43),
	ColorOwnSecondary: rgb(0xA9C8C2),
	ColorQuote:        rgb(0x1B2F34),
	ColorOwnQuote:     rgb(0x0E3B36),
	ColorSelected:     rgb(0x1C2730),
	ColorWarning:      rgb(0xE5A03B),
	ColorDanger:       rgb(0xF0705F),
	ColorOnDanger:     rgb(0x0B0E12),
	ColorHover:        rgba(0xE6EAF0, 0x12),
	ColorDim:          rgba(0x000000, 0x99),
	ColorEdge:         rgba(0x000000, 0x33),
	ColorTooltip:      rgb(0x2B3540),
	ColorOnTooltip:    rgb(0xE6EAF0),
	ColorTrack:        rgb(0x34404C),
	ColorHighlight:    rgb(0x6B5312),
	ColorMedia:        rgba(0x0B0E12, 0xA6),
	ColorOnMedia:      rgb(0xFFFFFF),
	ColorStage:        rgba(0x07090C, 0xF5),
})

// withToolkit adds the names that the toolkit's own widgets ask for.
func withToolkit(p palette) palette {
	p[fynetheme.ColorNameInputBackground] = p[ColorBackground]
	p[fynetheme.ColorNameInputBorder] = color.NRGBA{} // fields show a border only while they have the keyboard
	p[fynetheme.ColorNameMenuBackground] = p[ColorPanel]
	p[fynetheme.ColorNameOverlayBackground] = p[ColorPanel]
	p[fynetheme.ColorNameHeaderBackground] = p[ColorPanel]
	p[fynetheme.ColorNameButton] = p[ColorBackground]
	p[fynetheme.ColorNameDisabledButton] = p[ColorLine]
	p[fynetheme.ColorNameDisabled] = p[ColorSecondary]
	p[fynetheme.ColorNameHyperlink] = p[ColorAccent]
	p[fynetheme.ColorNameSuccess] = p[ColorAccent]
	p[fynetheme.ColorNameForegroundOnSuccess] = p[ColorOnAccent]
	p[fynetheme.ColorNameForegroundOnWarning] = p[ColorOnDanger]
	p[fynetheme.ColorNamePressed] = p[ColorHover]
	p[fynetheme.ColorNameShadow] = rgba(0x000000, 0x30)
	p[fynetheme.ColorNameScrollBar] = rgba(0x7C8896, 0x99)
	p[fynetheme.ColorNameScrollBarBackground] = rgba(0x7C8896, 0x00)
	accent := p[ColorAccent]
	accent.A = 0x40
	p[fynetheme.ColorNameSelection] = accent
	p[fynetheme.ColorNameFocus] = accent
	return p
}

// avatarColors have a contrast of at least 4.5:1 with the white initials, in both palettes.
var avatarColors = [...]color.NRGBA{
	rgb(0x3B6BB0), rgb(0x8A5AB5), rgb(0x96622B), rgb(0xA65049), rgb(0x547534),
	rgb(0x626B78), rgb(0x6E6E1F), rgb(0x0F766E), rgb(0x9C4F8A), rgb(0x2F7591),
}

// ColorOnAvatar is the colour of initials.
var ColorOnAvatar color.Color = color.White

// AvatarColor picks the colour of an avatar without a picture. The id has to be one that was drawn at random on this
// machine: a colour that came from the network, or was derived from something that others know, would let a screenshot tell
// two conversations with the same person.
func AvatarColor(id []byte) color.Color {
	h := fnv.New32a()
	h.Write(id)
	return avatarColors[h.Sum32()%uint32(len(avatarColors))]
}
