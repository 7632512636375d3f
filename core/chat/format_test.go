package chat

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// describe writes spans as "style:shown text", with "style>link:" if they lead somewhere.
func describe(text string) (list []string) {
	for _, s := range Format(text) {
		d := string(s.Style)
		if s.Link != "" {
			d += ">" + s.Link
		}
		if s.LinkLies {
			d += "!"
		}
		list = append(list, d+":"+text[s.ShownStart:s.ShownEnd])
	}
	return list
}

// TestFormat has the cases of the reference's own tests (simplex-chat, tests/MarkdownTests.hs), and more.
func TestFormat(t *testing.T) {
	const address = "https://smp6.simplex.im/a#lrdvu2d8A1GumSmoKb2krQmtKhWXq-tyGpHuM7aMwsw"
	for _, c := range []struct {
		text string
		want string // of each span, separated by |
	}{
		{"", ""},
		{"plain", ""},
		{"this is *bold formatted* text", "bold:bold formatted"},
		{"*bold formatted* text", "bold:bold formatted"},
		{"this is *bold*   ", "bold:bold"},
		{"this is * unformatted * text", ""},
		{"this is *unformatted * text", ""},
		{"this is * unformatted* text", ""},
		{"this is **unformatted** text", ""},
		{"this is*unformatted* text", ""},
		{"this is *unformatted text", ""},
		{"*this* is *unformatted text", "bold:this"},
		{"this is *long _bold_ (not italic)* text", "bold:long _bold_ (not italic)"},
		{"snippet: `this is *bold text*`", "mono:this is *bold text*"},
		{"_i_ ~s~", "italic:i|strike:s"},
		{"*bold\nnot* bold", ""},
		{"*a**b*", "bold:a|bold:b"},

		{"this is #black_secret# text", "secret:black_secret"},
		{"##black_secret### text", "secret:#black_secret##"},
		{"this is # unformatted # text", ""},
		{"this is #unformatted # text", ""},
		{"this is ## unformatted ## text", ""},
		{"this is#unformatted# text", ""},
		{"*this* is #unformatted text", "bold:this"},
		{"snippet: `this is #secret_text#`", "mono:this is #secret_text#"},
		{"####", ""},

		{"this is !1 red color! text", "red:red color"},
		{"!1 red! text", "red:red"},
		{"!green x! !m y! !6 z!", "green:x|magenta:y|magenta:z"},
		{"this is !1 unformatted ! text", ""},
		{"this is !1  unformatted! text", ""},
		{"this is!1 unformatted! text", ""},
		{"this is !1 unformatted text", ""},
		{"!7 x! !redd x!", ""},
		{"this is !1 long *red* (not bold)! text", "red:long *red* (not bold)"},

		{"https://simplex.chat.", "link>https://simplex.chat:https://simplex.chat"},
		{"https://simplex.chat, hello", "link>https://simplex.chat:https://simplex.chat"},
		{"SimpleX on GitHub: https://github.com/simplex-chat/", "link>https://github.com/simplex-chat/:https://github.com/simplex-chat/"},
		{"https://en.m.wikipedia.org/wiki/Servo_(software)", "link>https://en.m.wikipedia.org/wiki/Servo_(software):https://en.m.wikipedia.org/wiki/Servo_(software)"},
		{"example.com...", "link>https://example.com:example.com"},
		{"www.example.com", "link>https://www.example.com:www.example.com"},
		{"x.com", "link>https://x.com:x.com"},
		{"_https://simplex.chat", ""},
		{"this is https://", ""},
		{"example.c", ""},
		{"www.www.example.com", ""},
		{"www.example1.com", ""},
		{"www.", ""},
		{".com", ""},
		{"example.academytoolong", ""},
		{"simplex:/example", ""},
		{"javascript:alert(1) file:///etc/passwd http://localhost/x https://no-dot", ""},
		{"https://good.example@evil.example/", "link>https://good.example@evil.example/:https://good.example@evil.example/"},
		{"https://a.example/\u202egpj.exe", ""},
		{"http://simplex.chat\nhttp://app.simplex.chat", "link>http://simplex.chat:http://simplex.chat|link>http://app.simplex.chat:http://app.simplex.chat"},
		{address, "contact>" + address + ":" + address},
		{testLink, "contact>" + testLink + ":" + testLink},

		{"For details [click here](https://example.com)", "link>https://example.com:click here"},
		{"[example.com](https://example.com)", "link>https://example.com:example.com"},
		{"[example.com/page](https://example.com/page)", "link>https://example.com/page:example.com/page"},
		{"[Connect to me](" + address + ")", "contact>" + address + ":Connect to me"},
		{"[https://example.com](https://another.com)", "link>https://another.com!:https://example.com"},
		{"[example.com/page](https://another.com/page)", "link>https://another.com/page!:example.com/page"},
		{"[Connect.to.me](" + address + ")", "contact>" + address + "!:Connect.to.me"},
		{"[click here](example.com)", ""},
		{"[click here](https://example.com )", ""},
		{"[](https://example.com) [x]() [x] (y) [", ""},
		{"[click](javascript:alert(1))", ""},

		{"test chat@simplex.chat...", "link>mailto:chat@simplex.chat:chat@simplex.chat"},
		{"test chat.chat+123@simplex.chat", "link>mailto:chat.chat+123@simplex.chat:chat.chat+123@simplex.chat"},
		{"this is chat@ simplex.chat", "link>https://simplex.chat:simplex.chat"},
		{"chat @simplex.chat", ""},
		{"a@b", ""},

		{"test1 07777777777 test2", "link>tel:07777777777:07777777777"},
		{"test 07777 777 777 test", "link>tel:07777777777:07777 777 777"},
		{"test +44 (0) 7777 777 777 test", "link>tel:+4407777777777:+44 (0) 7777 777 777"},
		{"test +44 (0) 7777.777.777 https://simplex.chat test", "link>tel:+4407777777777:+44 (0) 7777.777.777|link>https://simplex.chat:https://simplex.chat"},
		{"test 077777 test", ""},
		{"test 07777  777  777 test", ""},
		{strings.Repeat("1", 23), ""},

		// What the recorded client sends.
		{"*bold* _italic_ ~strike~ `code` #secret# !1 red! https://simplex.chat me@example.com",
			"bold:bold|italic:italic|strike:strike|mono:code|secret:secret|red:red|link>https://simplex.chat:https://simplex.chat|link>mailto:me@example.com:me@example.com"},
		{"é *你好* 👍", "bold:你好"},
		{"*\xff*", "bold:\xff"},
	} {
		var want []string
		if c.want != "" {
			want = strings.Split(c.want, "|")
		}
		if got := describe(c.text); !slices.Equal(got, want) {
			t.Errorf("%q is %q, want %q", c.text, got, want)
		}
	}
}

// Texts that are made to take long don't.
func TestFormatHostile(t *testing.T) {
	for _, unit := range []string{"*", "* ", "#", "# ", "!1 ", "!1", "[", "[a](", "a[", "1", "1 ", "+", "+1(", "_a ", "`", "https://", "a@", ".", "\n", "*a*", "x.com ", "(1)"} {
		text := strings.Repeat(unit, 1<<20/len(unit))
		if n := len(Format(text)); n > maxSpans {
			t.Errorf("%q makes %d spans", unit, n)
		}
	}
}

func FuzzFormat(f *testing.F) {
	for _, s := range []string{"", "*b* _i_ ~s~ `m` #x# !1 r! [t](https://a.example) a.example me@a.example +44 (0) 7777 777 777", "##a### !red x! simplex:/contact#/?v=1", "é*\n*你*\xff", testLink} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		at := 0
		for _, s := range Format(text) {
			if s.Start < at || s.ShownStart < s.Start || s.ShownEnd <= s.ShownStart || s.End < s.ShownEnd || s.End > len(text) {
				t.Fatalf("span %+v after %d of %d bytes", s, at, len(text))
			}
			if utf8.ValidString(text) && !utf8.ValidString(text[s.ShownStart:s.ShownEnd]) {
				t.Errorf("span %+v divides a character", s)
			}
			if strings.Contains(text[s.Start:s.End], "\n") {
				t.Errorf("span %+v goes over the end of a line", s)
			}
			if s.Link != "" && !hasAnyPrefix(s.Link, "https://", "http://", "mailto:", "tel:", "simplex:/") {
				t.Errorf("a link to %q", s.Link)
			}
			at = s.End
		}
	})
}

func BenchmarkFormat(b *testing.B) {
	text := strings.Repeat("some *words* with https://example.com/page and _more_ of them, 07777 777 777. ", 12)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		Format(text)
	}
}

func ExampleFormat() {
	text := "see *this*"
	for _, s := range Format(text) {
		fmt.Println(s.Style, text[s.ShownStart:s.ShownEnd])
	}
	// Output: bold this
}
