package tor

import (
	"errors"
	"strings"
	"testing"
)

const (
	testFingerprint = "2B280B23E1107BB62ABFC40DDCC8824814F80A72"
	testCert        = "cert=ssH+9rP8dG2NLDN2XuFw63hIO/9MNNinLmxQDpVa+7kTOa9/m+tGWT1SmSYpQ9uTBGa6Hw"
)

func TestParseBridges(t *testing.T) {
	for text, want := range map[string]string{
		"":                   "",
		"# none\n\r\n\t\n":   "",
		"192.0.2.1:443":      "192.0.2.1:443",
		"[2001:db8::1]:9001": "[2001:db8::1]:9001",
		"Bridge 192.0.2.1:443 " + strings.ToLower(testFingerprint):                                          "192.0.2.1:443 " + testFingerprint,
		"192.0.2.1:443 $" + testFingerprint:                                                                 "192.0.2.1:443 " + testFingerprint,
		"  bridge\tobfs4  192.0.2.1:443 " + testFingerprint + " " + testCert + " iat-mode=0\r\n":            "obfs4 192.0.2.1:443 " + testFingerprint + " " + testCert + " iat-mode=0",
		"obfs4 192.0.2.1:443 " + testCert:                                                                   "obfs4 192.0.2.1:443 " + testCert,
		"snowflake 192.0.2.3:80 " + testFingerprint + " url=https://a.example/ ice=stun:b.example:3478,c:1": "snowflake 192.0.2.3:80 " + testFingerprint + " url=https://a.example/ ice=stun:b.example:3478,c:1",
		"192.0.2.1:1\n192.0.2.2:2":                                                                          "192.0.2.1:1\n192.0.2.2:2",
	} {
		bridges, err := ParseBridges(text)
		var lines []string
		for _, b := range bridges {
			lines = append(lines, b.String())
			if err := b.valid(); err != nil {
				t.Errorf("%q is not valid: %v", b, err)
			}
		}
		if got := strings.Join(lines, "\n"); err != nil || got != want {
			t.Errorf("%q: %q, %v, want %q", text, got, err, want)
		}
	}
	for text, want := range map[string]error{
		"bridge":                           ErrBridge,
		"obfs4":                            ErrBridge,
		"hello world":                      ErrBridgeAddress,
		"https://bridges.torproject.org/":  ErrBridgeAddress,
		"bridge.example:443":               ErrBridgeAddress, // tor would look the name up
		"obfs4 bridge.example:443":         ErrBridgeAddress,
		"192.0.2.1":                        ErrBridgeAddress,
		"192.0.2.1:0":                      ErrBridgeAddress,
		"192.0.2.1:70000":                  ErrBridgeAddress,
		"[fe80::1%eth0]:443":               ErrBridgeAddress,
		"192.0.2.1:443 " + testCert:        ErrBridge, // of no transport
		"192.0.2.1:443 0123":               ErrBridge,
		"192.0.2.1:443 " + testCert[:41]:   ErrBridge,
		"obfs4 192.0.2.1:443 a=b c":        ErrBridge,
		"obfs4 192.0.2.1:443 =b":           ErrBridge,
		"obfs4 192.0.2.1:443 a=\"b\"":      ErrBridge,
		"obfs4 192.0.2.1:443 a=b\\":        ErrBridge,
		"obfs4 192.0.2.1:443 a=b #c=d":     ErrBridge,
		"obfs4 192.0.2.1:443 a=b\rLog=c":   ErrBridge,
		"obfs4 192.0.2.1:443 a=b\x00":      ErrBridge,
		"obfs4 192.0.2.1:443 a=ü":          ErrBridge,
		"obfs4,x exec /bin/sh 192.0.2.1:1": ErrBridgeAddress,
		"obfs4 192.0.2.1:443 a=" + strings.Repeat("b", maxBridgeLine): ErrBridgeLong,
		strings.Repeat("\n", maxBridgeText+1):                         ErrBridgeLong,
		strings.Repeat("192.0.2.1:443\n", maxBridges+1):               ErrBridgeLong,
	} {
		if bridges, err := ParseBridges(text); !errors.Is(err, want) || bridges != nil {
			t.Errorf("%.80q: %v, %v, want %v", text, bridges, err, want)
		} else if strings.Contains(err.Error(), "192.0.2") {
			t.Errorf("the error %q holds the line", err)
		}
	}
	if _, err := ParseBridges("192.0.2.1:1\n\nx y"); err == nil || !strings.HasPrefix(err.Error(), "line 3: ") {
		t.Errorf("the error %v does not tell the line", err)
	}
	for _, b := range SnowflakeBridges() {
		if err := b.valid(); err != nil || b.Transport != "snowflake" {
			t.Errorf("%v: %v", b, err)
		}
	}
}

// FuzzParseBridges looks for a text that gets anything but bridges into a configuration.
func FuzzParseBridges(f *testing.F) {
	f.Add("obfs4 192.0.2.1:443 " + testFingerprint + " " + testCert + " iat-mode=0")
	f.Add("Bridge [2001:db8::1]:9001 " + testFingerprint + "\n192.0.2.1:1 \\\nControlPort 9051")
	f.Add(SnowflakeBridges()[0].String())
	f.Add("a 1.1.1.1:1 b=c\rLog debug stdout")
	f.Fuzz(func(t *testing.T, text string) {
		bridges, err := ParseBridges(text)
		if err != nil {
			if bridges != nil {
				t.Error("bridges with an error")
			}
			return
		}
		none := Config{}
		some := Config{Bridges: bridges}
		before, after := none.torrc(files{}, nil, 1), some.torrc(files{}, nil, 1)
		added := strings.Split(strings.TrimPrefix(after, before), "\n")
		if len(bridges) > 0 && added[0] != `UseBridges "1"` || len(added)-1 != len(bridges) && len(added)-2 != len(bridges) {
			t.Fatalf("%q adds %q", text, added)
		}
		for i, b := range bridges {
			if added[i+1] != `Bridge "`+b.String()+`"` || strings.ContainsAny(b.String(), "\\\"#\r\n") {
				t.Errorf("%q adds %q", text, added[i+1])
			}
			if again, err := ParseBridges(b.String()); err != nil || len(again) != 1 || again[0].String() != b.String() {
				t.Errorf("%q does not parse again: %v", b, err)
			}
		}
	})
}
