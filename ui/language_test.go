package ui

import (
	"fmt"
	"os"
	"testing"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/lang"

	"github.com/sotto-chat/sotto/assets"
	"github.com/sotto-chat/sotto/ui/theme"
	"github.com/sotto-chat/sotto/ui/widget"
)

// The pictures and the tests that look for texts are in English, whatever the language of the computer is.
func init() {
	os.Setenv("LC_ALL", "en")
	os.Setenv("LANGUAGE", "en")
}

// speak sets the language of the system until the test ends. The toolkit has no call for that: it reads these variables each time that
// texts are added.
func speak(t *testing.T, tag string) {
	t.Helper()
	t.Cleanup(func() { // runs after the variables have their old values again
		if err := assets.LoadTranslations(); err != nil {
			t.Error(err)
		}
	})
	t.Setenv("LC_ALL", tag)
	t.Setenv("LANGUAGE", tag)
	if err := assets.LoadTranslations(); err != nil {
		t.Fatal(err)
	}
	if lang.L("Cancel") == "Cancel" {
		t.Fatalf("the language is not %s", tag)
	}
}

// TestPicturesOfLanguages shows the window with longer texts and with texts that are read from the right. Japanese is left out: its
// letters come from the fonts of the system, so that its pictures would differ between computers.
func TestPicturesOfLanguages(t *testing.T) {
	for _, tag := range []string{"de", "ar"} {
		t.Run(tag, func(t *testing.T) {
			speak(t, tag)
			b := newBench(t, theme.Light, "Alice", "Nora")
			b.fill()
			b.contacts[0].Pinned, b.contacts[1].Muted = true, true
			b.main.refresh()
			c := b.open(1)
			b.compare(fmt.Sprintf("language-%s-main", tag))
			c.togglePanel()
			b.compare(fmt.Sprintf("language-%s-panel", tag))
			b.resize(smallestWidth, smallestHeight)
			c.togglePanel()
			b.compare(fmt.Sprintf("language-%s-chat-narrow", tag))
			b.showSettings()
			b.compare(fmt.Sprintf("language-%s-settings-narrow", tag))
			b.resize(firstWidth, firstHeight)
			b.compare(fmt.Sprintf("language-%s-settings", tag))
		})
	}
}

// TestPicturesFromTheRight shows more of the window in a language that is written from the right, which turns all of it around.
func TestPicturesFromTheRight(t *testing.T) {
	eachMode(t, func(t *testing.T, mode theme.Mode) {
		speak(t, "ar")
		b := newBench(t, mode, "Alice", "Nora")
		b.fill()
		c := b.open(1)
		items := exampleItems()
		for i, text := range []string{
			"هل قرأت الكتاب الذي أعطيتك إياه؟", "نصفه. غيّر الفصل الرابع رأيي في كل شيء", "مرحبًا! هل وصلت؟",
			"وجدت المكان، إنه ذو الباب الأخضر: https://example.org/map", "نعم، في القطار. قرأت عنه أمس في SimpleX",
		} {
			items[i].Text = text
		}
		b.talkOf(c, items...)
		b.compare("right-conversation-" + mode.String())
		b.showShortcuts()
		b.compare("right-shortcuts-" + mode.String())
		b.win.Canvas().Overlays().Top().(*widget.Dialog).Close()
		b.chooseBridges()
		b.compare("right-dialog-" + mode.String())
		b.win.Canvas().Overlays().Top().(*widget.Dialog).Close()
		b.showAppearance()
		b.compare("right-appearance-" + mode.String())
		b.showPrivacy()
		b.compare("right-privacy-" + mode.String())
	})
}

// TestMirroredInput taps where things are in a window that is turned around.
func TestMirroredInput(t *testing.T) {
	speak(t, "ar")
	b := newBench(t, theme.Light, "Alice", "Nora")
	b.fill()
	if !widget.Mirrored() {
		t.Fatal("the window is not turned around")
	}
	f := b.main.frame
	if f.rail.Position().X <= f.content.Position().X || f.list.Position().X <= f.content.Position().X {
		t.Error("the rail and the list are not at the right")
	}
	width := b.main.frame.list.Size().Width
	f.edge.Dragged(&fyne.DragEvent{Dragged: fyne.NewDelta(-40, 0)})
	f.edge.DragEnd()
	if got := f.list.Size().Width; got != width+40 {
		t.Errorf("the list is %v wide after its edge was dragged to the left, was %v", got, width)
	}
	speak(t, "de")
	newBench(t, theme.Light, "Alice")
	if widget.Mirrored() {
		t.Error("the next window is turned around too")
	}
}

// TestDatesFollowTheLanguage shows the same moments in every language.
func TestDatesFollowTheLanguage(t *testing.T) {
	for _, c := range []struct{ tag, day, month, lastYear, digits, yesterday string }{
		{"de", "Di, 10. März", "19. Feb.", "31. Dez. 2025", "31.12.2025", "gestern um 06:04"},
		{"fr", "mar. 10 mars", "19 févr.", "31 déc. 2025", "31/12/2025", "hier à 06:04"},
		{"es", "mar, 10 mar", "19 feb", "31 dic 2025", "31/12/2025", "ayer a las 06:04"},
		{"ar", "الثلاثاء، 10 مارس", "19 فبراير", "31 ديسمبر 2025", "31/12/2025", "أمس 06:04"},
		{"ja", "3月10日（火）", "2月19日", "2025年12月31日", "2025/12/31", "昨日 06:04"},
	} {
		t.Run(c.tag, func(t *testing.T) {
			speak(t, c.tag)
			if got := dayName(noon.AddDate(0, 0, -2), noon); got != c.day {
				t.Errorf("two days ago is %q, want %q", got, c.day)
			}
			if got := listTime(noon.AddDate(0, 0, -21), noon); got != c.month {
				t.Errorf("three weeks ago is %q, want %q", got, c.month)
			}
			if got := dayName(noon.AddDate(0, 0, -71), noon); got != c.lastYear {
				t.Errorf("the last day of the last year is %q, want %q", got, c.lastYear)
			}
			if got := listTime(noon.AddDate(0, 0, -71), noon); got != c.digits {
				t.Errorf("the last day of the last year is %q in the list, want %q", got, c.digits)
			}
			if got := listDate(noon.AddDate(0, 0, -1).Add(-6*time.Hour), noon); got != c.yesterday {
				t.Errorf("yesterday is %q, want %q", got, c.yesterday)
			}
		})
	}
}

// TestSpansFollowTheLanguage reads the times that the interface gives as examples, and the short forms that are the same everywhere.
func TestSpansFollowTheLanguage(t *testing.T) {
	for tag, texts := range map[string][]string{
		"de": {"90 Minuten", "2 Tage", "1 Woche"},
		"fr": {"90 minutes", "2 jours", "1 semaine"},
		"es": {"90 minutos", "2 días", "1 semana"},
		"ar": {"90 دقيقة", "2 يوم", "1 أسبوع"},
		"ja": {"90分", "2日", "1週間"},
	} {
		t.Run(tag, func(t *testing.T) {
			speak(t, tag)
			for i, want := range []time.Duration{90 * time.Minute, 48 * time.Hour, 7 * 24 * time.Hour} {
				for _, text := range []string{texts[i], []string{"90m", "2d", "1 w"}[i]} {
					if got, ok := parseSpan(text); !ok || got != want {
						t.Errorf("%q is read as %v, %v", text, got, ok)
					}
				}
			}
		})
	}
}
