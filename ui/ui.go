// Package ui is the window: what a person sees of Sotto, and what happens when they click and type.
//
//	w := ui.New(app, app.NewWindow("Sotto"), ui.Options{Core: c})
//	app.Run()
//	w.Close()
//
// The package knows package core and no protocol. Its state lives on the toolkit's main goroutine and is touched nowhere else.
// What may take time goes elsewhere: what reads and writes the database of a profile to one goroutine that does it in order
// (ordered), what waits for the network or derives keys to goroutines of its own (apart). Both bring their results back to the
// main goroutine. Changes come as events of core and are applied there too.
//
// Words for people are made here: errors become sentences in words.go, and all texts go through the toolkit's lang package,
// see package assets for how to translate them.
package ui

import (
	"context"
	"image"
	"sync"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"

	"github.com/sotto-chat/sotto/core"
	"github.com/sotto-chat/sotto/ui/desktop"
	"github.com/sotto-chat/sotto/ui/sound"
	"github.com/sotto-chat/sotto/ui/theme"
	"github.com/sotto-chat/sotto/ui/widget"
)

// The first and the smallest size of the window, in pixels at scale 1.
const (
	firstWidth, firstHeight       float32 = 1100, 720
	smallestWidth, smallestHeight float32 = 420, 520
)

// Options say what a Window works with. Only Core is needed.
type Options struct {
	Core *core.Core
	// Folder is the one that Core was opened with. What an earlier run has left outside of it is found by its name.
	Folder string
	// Version of the program, as shown to people.
	Version string
	// Relays are the addresses that were given at the start in place of what profiles have chosen; they are only shown.
	Relays []string
	// Clipboard returns the picture in the clipboard, or nil if there is none. It may take a while.
	Clipboard func(ctx context.Context) image.Image
	// CopyPicture puts a picture, the file of a PNG, into the clipboard; clear takes it out if it is still there. Both may take a
	// while. Nil if there is no way.
	CopyPicture func(file []byte) (clear func(), err error)
	// Camera gives the pictures of a camera to frame, on a goroutine of its own, until ctx is done. The error wraps
	// desktop.ErrNoCamera if there is none. Nil if the program was built without.
	Camera func(ctx context.Context, frame func(image.Image)) error

	// Record and Play use the microphone and the loudspeaker, see package sound. Voice messages can't be recorded or played
	// while they are nil.
	Record func(sound.Recording) (Recorder, error)
	Play   func(sound.Playback) (Player, error)

	// Scale makes everything larger or smaller. It may be nil.
	Scale func(factor float32)
	// Notifier and Watch connect to the desktop, see package desktop. Either may be nil.
	Notifier func(opened func(id string)) (*desktop.Notifier, error)
	Watch    func(changed func(desktop.Change)) (*desktop.Watcher, error)
	// Screenshot returns a picture of the screen, see desktop.Screenshot. Nil if there is no way to get one.
	Screenshot func(ctx context.Context) (image.Image, error)

	// LessMotion tells whether the person has asked the desktop for things not to move, see desktop.LessMotion. It may be nil.
	LessMotion func(ctx context.Context) bool

	// Tray is the tray of the desktop, nil if it has none.
	Tray Tray
	// Hidden leaves the window away until it is opened from the tray, if there is one.
	Hidden bool
	// Autostart starts the program at login; nil if that is not possible.
	Autostart *desktop.Autostart

	Now func() time.Time // time.Now if nil
	Do  func(func())     // runs a function on the main goroutine soon; fyne.Do if nil
}

// Window is the window and all that is in it. Its methods are called on the main goroutine.
type Window struct {
	app   fyne.App
	win   fyne.Window
	core  *core.Core
	opt   Options
	theme *theme.Theme

	// What goes on beside the main goroutine.
	ctx       context.Context // ends with the window
	cancel    context.CancelFunc
	unlisten  func()
	queue     queue
	tasks     sync.WaitGroup
	closeOnce sync.Once

	profiles []core.ProfileInfo
	profile  *core.Profile // the one that is shown, nil if there is none that is open
	contacts []core.Contact
	requests []core.Request     // newest first
	address  *core.Address      // nil if profile has none
	relays   []core.RelayStatus // of profile, as far as it has sessions with them
	tor      core.TorStatus

	copies      *copies  // of files that other programs have opened
	place       string   // the folder that a file was looked for in last
	uncopy      func()   // takes the picture that was copied last out of the clipboard, nil for none
	recent      []string // emoji that were used lately, the latest first
	thumbs      thumbs
	pictures    map[string][]byte            // of the profiles, by their id
	moving      map[contactKey]*move         // whose messages are to wait on another relay
	drafts      map[contactKey]*pendingDraft // what was written to them, while that is being stored
	attached    map[contactKey][]attached    // will be sent with what is written next to them, while their conversation is not open
	unverified  map[contactKey]bool          // are being said not to be verified any more
	unstored    map[string]bool              // by profile: what arrives can't be stored
	codeChanged map[contactKey]bool          // were verified, got another code, and were not verified again

	locked bool // the lock is shown
	trying bool // what was typed into the search field is being tried as the passphrase of a hidden profile
	still  bool // the desktop wants nothing to move

	idleTimer *time.Timer
	link      string   // that another start of the program was given while it is locked
	notifier  notifier // nil if the toolkit shows notifications
	watcher   *desktop.Watcher
	tray      Tray       // nil if there is none
	trayShows *trayState // nil before it shows anything
	away      bool       // the window is hidden, the program goes on in the tray
	inFront   bool       // the window has the keyboard
	notified  map[notice]bool

	root     *fyne.Container // holds the screen that is shown
	size     fyne.Size
	starting *start           // the first start, nil afterwards
	main     *mainScreen      // nil during the first start
	adder    *newConversation // the dialog that is open, or nil
	adderTab int              // the tab of it that was used last
}

// New fills a window, shows it and returns. The app runs until the window is closed.
func New(app fyne.App, win fyne.Window, o Options) *Window {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Do == nil {
		o.Do = fyne.Do
	}
	followDirection()
	w := &Window{app: app, win: win, core: o.Core, opt: o, copies: newCopies(o.Folder), notified: make(map[notice]bool),
		thumbs: make(thumbs), pictures: make(map[string][]byte),
		moving: make(map[contactKey]*move), drafts: make(map[contactKey]*pendingDraft), attached: make(map[contactKey][]attached),
		unverified: make(map[contactKey]bool), unstored: make(map[string]bool), codeChanged: make(map[contactKey]bool)}
	w.ctx, w.cancel = context.WithCancel(context.Background())
	w.queue.start()

	look := o.Core.Appearance()
	w.theme = theme.New(theme.ParseMode(look.Theme))
	w.theme.SetAccent(theme.Accent(look.Accent))
	if o.Scale != nil && look.Scale > 0 {
		o.Scale(look.Scale)
	}
	app.Settings().SetTheme(w.theme)

	events, unlisten := o.Core.Subscribe(1024)
	w.unlisten = unlisten
	w.tasks.Add(1)
	go w.listen(events)

	w.root = container.New(&rootLayout{resized: func(size fyne.Size) { w.size = size }})
	win.SetPadded(false)
	win.SetContent(widget.NewTooltipLayer(w.root))
	win.SetOnClosed(w.closed)
	win.SetOnDropped(func(_ fyne.Position, files []fyne.URI) { w.dropped(files) })
	w.addShortcuts(win.Canvas())
	app.Lifecycle().SetOnEnteredForeground(func() { w.setInFront(true) })
	app.Lifecycle().SetOnExitedForeground(func() { w.setInFront(false) })
	w.inFront, w.away = !o.Hidden, o.Hidden

	w.tor = o.Core.TorStatus()
	if o.Folder != "" {
		apart(w, func(context.Context) (nothing, error) { return nothing{}, w.copies.wipeLeft() }, func(nothing, error) {})
	}
	w.lockChanged()
	w.watchIdle()
	w.connectDesktop()

	size := fyne.NewSize(max(look.Width, smallestWidth), max(look.Height, smallestHeight))
	if look.Width <= 0 || look.Height <= 0 {
		size = fyne.NewSize(firstWidth, firstHeight)
	}
	win.Resize(size)
	if !w.away {
		win.Show()
	}
	w.connectTray()
	return w
}

// Close ends everything that goes on and waits for it. The core can be closed afterwards.
func (w *Window) Close() {
	w.closed()
	w.queue.stop()
	w.tasks.Wait()
	_ = w.copies.wipe() // nobody is there to be told any more
	if w.notifier != nil {
		_ = w.notifier.Close()
	}
	if w.watcher != nil {
		_ = w.watcher.Close()
	}
}

// closed keeps what was typed and the size of the window, and lets nothing more reach the window.
func (w *Window) closed() {
	w.closeOnce.Do(func() {
		if w.main != nil {
			w.main.content.closed()
		}
		if look := w.core.Appearance(); w.size.Width > 0 && (look.Width != w.size.Width || look.Height != w.size.Height) {
			look.Width, look.Height = w.size.Width, w.size.Height
			_ = w.core.SetAppearance(look) // if it can't be kept, the size is that of the time before
		}
		w.idleTimer.Stop()
		w.unlisten()
		w.cancel()
	})
}

// show puts a screen into the window.
func (w *Window) show(screen fyne.CanvasObject) {
	w.root.Objects = []fyne.CanvasObject{screen}
	w.root.Refresh()
}

// setTitle names the window after the profile that is shown, so that two windows can be told apart. Every program can read the
// titles of windows, so that of a hidden profile is not told.
func (w *Window) setTitle() {
	title := lang.L("Sotto")
	if w.profile != nil && !w.isHidden() {
		title = lang.L("{{.Name}} – Sotto", map[string]any{"Name": w.profile.Name()})
	}
	w.win.SetTitle(title)
}

// followDirection lays the window out as the language of its texts is written.
func followDirection() { widget.SetMirrored(lang.L("left-to-right") == "right-to-left") }

// rootLayout gives its object the whole window and tells the size of the window.
type rootLayout struct{ resized func(fyne.Size) }

func (l *rootLayout) Layout(objects []fyne.CanvasObject, size fyne.Size) {
	l.resized(size)
	for _, o := range objects {
		o.Resize(size)
	}
}

func (l *rootLayout) MinSize([]fyne.CanvasObject) fyne.Size {
	return fyne.NewSize(smallestWidth, smallestHeight)
}

// ShowFailure fills a window that tells why the program can't start.
func ShowFailure(app fyne.App, win fyne.Window, err error) {
	followDirection()
	app.Settings().SetTheme(theme.New(theme.FollowSystem))
	text := sentence(err)
	win.SetPadded(false)
	win.SetContent(widget.NewTooltipLayer(widget.NewSurface(theme.ColorBackground,
		widget.NewEmptyState("warning", lang.L("Sotto can't start"), text, lang.L("Close"), win.Close))))
	win.Resize(fyne.NewSize(smallestWidth, smallestHeight))
	win.CenterOnScreen()
	win.Show()
}
