package main

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"testing"
)

// TestIDInLink reads links that the reference has made, and what a link may become on its way to the operator.
func TestIDInLink(t *testing.T) {
	key, _ := hex.DecodeString("cb4865415fac54101cb71508d5835ff6152025880ca543fd635044f10960723a")
	id, _ := hex.DecodeString("5f0e6024bc7f074333e7b07d26e138931842fd58573e0374")
	linkKey, linkID := base64.RawURLEncoding.EncodeToString(key), base64.URLEncoding.EncodeToString(id)
	const sender, invitation = "qOJK1XUxGNxxNZFouLeUC-gQxg0IaUCp", "Xz5reJt5giP_-tnxEASKWWzmEqDxIkDV"
	const queue = "smp%3A%2F%2FMrU3xqZ6LAUPZaaM2g58tQc8GGRHEAUW-LbG0LLuWvk%3D%40smp.example.com%3A5223%2FqOJK1XUxGNxxNZFouLeUC-gQxg0IaUCp" +
		"%23%2F%3Fv%3D1-4%26dh%3DMCowBQYDK2VuAyEA6TiP00egRpgYKWmB8jWD6aCVlz_kvE4YvWvJ8mc5qB8%253D%26q%3Dm%26k%3Ds"
	for text, want := range map[string]string{
		sender:                                 sender,
		"https://smp.example.com/a#" + linkKey: linkID,
		"https://smp.example.com/a#" + linkKey + "?p=5223&c=MrU3xqZ6LAUPZaaM2g58tQc8GGRHEAUW-LbG0LLuWvk":  linkID,
		"simplex:/g#" + linkKey + "?h=smp.example.com":                                                    linkID,
		"https://smp.example.com/C#" + linkKey:                                                            linkID,
		"https://smp.example.com/i#" + invitation + "/jWIzEJlPqTslHz2qYzlXLBNLfjdgXvI35eNOd_VdGag?p=5223": invitation,
		"simplex:/contact#/?v=2-7&smp=" + queue:                                                           sender,
		"https://simplex.chat/contact/#/?v=2-7&smp=" + queue + "&data=x":                                  sender,
		"simplex:/invitation#/?v=2-7&smp=" + queue + "%3Bsmp%3A%2F%2Fother&e2e=v%3D2-3":                   sender,
		"smp://MrU3xqZ6LAUPZaaM2g58tQc8GGRHEAUW-LbG0LLuWvk=@smp.example.com/" + sender + "#/?v=1-4":       sender,
	} {
		if got, err := idInLink(text); got != want || err != nil {
			t.Errorf("%s: %q, %v", text, got, err)
		}
	}
	for _, text := range []string{
		"#", "https://smp.example.com/#x", "https://smp.example.com/a#", "https://smp.example.com/a#" + linkKey[:42], "https://smp.example.com/i#" + invitation,
		"https://smp.example.com/x#" + linkKey, "simplex:/contact#/?v=2-7", "simplex:/contact#/?smp=x", "simplex:/contact#/?smp=%zz", "simplex:/contact#/?smp=smp://host",
	} {
		if got, err := idInLink(text); !errors.Is(err, errLink) {
			t.Errorf("%s: %q, %v", text, got, err)
		}
	}
}
