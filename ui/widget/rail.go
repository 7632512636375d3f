package widget

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/lang"
	fynewidget "fyne.io/fyne/v2/widget"

	"github.com/sotto-chat/sotto/ui/theme"
)

// RailWidth is the width of the rail in pixels.
const RailWidth float32 = 64

// ProfileView is what the rail shows of a profile.
type ProfileView struct {
	Avatar AvatarView
	Unread int
}

// NetworkState is what the shield at the foot of the rail tells.
type NetworkState int

const (
	NetworkOffline NetworkState = iota
	NetworkConnecting
	NetworkDirect
	NetworkTor
)

func (s NetworkState) look() (icon string, colorName fyne.ThemeColorName) {
	switch s {
	case NetworkConnecting:
		return "shield-wait", theme.ColorWarning
	case NetworkDirect:
		return "shield", theme.ColorAccent
	case NetworkTor:
		return "shield-check", theme.ColorAccent
	default:
		return "shield-off", theme.ColorDanger
	}
}

// Rail is the strip at the left of the window: an avatar for each profile, a button to add one, and at the foot the network
// shield and the settings. Set the callbacks before it is shown.
type Rail struct {
	fynewidget.BaseWidget

	OnProfile  func(index int)
	OnAdd      func()
	OnNetwork  func()
	OnSettings func()

	profiles []*railAvatar
	selected int
	state    NetworkState
	amount   *Label // below the shield

	add, network, settings *IconButton
}

var _ fyne.Widget = (*Rail)(nil)

// NewRail returns a rail without profiles.
func NewRail() *Rail {
	r := &Rail{}
	call := func(f *func()) func() {
		return func() {
			if *f != nil {
				(*f)()
			}
		}
	}
	r.add = NewIconButton("plus", lang.L("Add a profile"), call(&r.OnAdd))
	r.add.dashed, r.add.side = true, AvatarMedium
	r.network = NewIconButton("shield-off", lang.L("Network"), call(&r.OnNetwork))
	r.settings = NewIconButton("settings", lang.L("Settings"), call(&r.OnSettings))
	r.amount = NewLabel("", theme.TextCaption)
	r.amount.Alignment, r.amount.Color, r.amount.OneLine = fyne.TextAlignCenter, theme.ColorSecondary, true
	r.network.side, r.settings.side = AvatarMedium, AvatarMedium
	r.ExtendBaseWidget(r)
	return r
}

// SetProfiles changes the profiles and which of them is open; -1 means none.
func (r *Rail) SetProfiles(profiles []ProfileView, selected int) {
	for len(r.profiles) < len(profiles) {
		index := len(r.profiles)
		r.profiles = append(r.profiles, newRailAvatar(func() {
			if r.OnProfile != nil {
				r.OnProfile(index)
			}
		}))
	}
	r.profiles = r.profiles[:len(profiles)]
	for i, p := range profiles {
		r.profiles[i].set(p, i == selected)
	}
	r.selected = selected
	r.Refresh()
}

// SetNetwork changes the shield. text is shown as its tooltip, for example "Through Tor".
func (r *Rail) SetNetwork(state NetworkState, text string) {
	r.state = state
	r.network.SetName(text)
	r.network.SetIcon(state.look())
}

// SetAmount shows below the shield how far connecting is, for example "45 %"; an empty text shows nothing.
func (r *Rail) SetAmount(amount string) {
	if r.amount.Text != amount {
		r.amount.SetText(amount)
		r.Refresh()
	}
}

// CreateRenderer implements fyne.Widget.
func (r *Rail) CreateRenderer() fyne.WidgetRenderer {
	r.network.SetIcon(r.state.look())
	rr := &railRenderer{rail: r, ground: canvas.NewRectangle(nil)}
	rr.Refresh()
	return rr
}

type railRenderer struct {
	rail    *Rail
	ground  *canvas.Rectangle
	objects []fyne.CanvasObject
}

func (r *railRenderer) Destroy()                     {}
func (r *railRenderer) Objects() []fyne.CanvasObject { return r.objects }
func (r *railRenderer) MinSize() fyne.Size           { return fyne.NewSize(RailWidth, 240) }

func (r *railRenderer) Refresh() {
	r.ground.FillColor = theme.Color(theme.ColorRail)
	r.objects = append(r.objects[:0], r.ground)
	for _, p := range r.rail.profiles {
		r.objects = append(r.objects, p)
	}
	r.objects = append(r.objects, r.rail.add, r.rail.network, r.rail.settings, r.rail.amount)
	r.Layout(r.rail.Size())
	canvas.Refresh(r.rail)
}

func (r *railRenderer) Layout(size fyne.Size) {
	const pitch, top, side = 52, 14, AvatarMedium
	r.ground.Resize(size)
	x, y := (size.Width-side)/2, float32(top)
	foot := size.Height - 2*pitch
	for _, p := range r.rail.profiles {
		place(p, x, y, side, side)
		p.Hidden = y+pitch+side > foot
		y += pitch
	}
	place(r.rail.add, x, min(y, max(top, foot-side)), side, side)
	place(r.rail.network, x, foot, side, side)
	place(r.rail.settings, x, foot+pitch, side, side)
	place(r.rail.amount, 0, foot+side-8, size.Width, r.rail.amount.MinSize().Height)
}

// railAvatar is the avatar of a profile as a button.
type railAvatar struct {
	control

	avatar *Avatar
}

func newRailAvatar(tapped func()) *railAvatar {
	a := &railAvatar{avatar: NewAvatar(AvatarView{}, AvatarMedium)}
	a.avatar.ground = theme.ColorRail
	a.init(a, tapped)
	return a
}

func (a *railAvatar) set(p ProfileView, selected bool) {
	a.tooltip.text = p.Avatar.Name
	a.avatar.view, a.avatar.unread, a.avatar.selected = p.Avatar, p.Unread, selected
	a.avatar.Refresh()
}

// AccessibilityLabel implements fyne.Accessible.
func (a *railAvatar) AccessibilityLabel() string { return a.tooltip.text }

// AccessibilityRole implements fyne.Accessible.
func (a *railAvatar) AccessibilityRole() fyne.AccessibleRole { return fyne.AccessibleRoleButton }

func (a *railAvatar) CreateRenderer() fyne.WidgetRenderer {
	ring := newRing(AvatarMedium)
	return newRenderer(&renderer{
		widget:  a,
		objects: []fyne.CanvasObject{a.avatar, ring},
		minSize: func() fyne.Size { return fyne.NewSquareSize(AvatarMedium) },
		layout: func(size fyne.Size) {
			a.avatar.Resize(size)
			placeRing(ring, 0, 0, size.Width, size.Height)
			ring.CornerRadius = (size.Width + 6) / 2
		},
		update: func() { setRing(ring, a.focused) },
	})
}
