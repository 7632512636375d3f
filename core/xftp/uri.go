package xftp

import (
	"net/url"
	"strings"
)

// MaxQR is the length of the longest URI that goes into a QR code well; a longer one needs a
// redirect (xftp.md §6).
const MaxQR = 1002

// uriFragment stands between the start of a URI, which may be another app's, and its query.
const uriFragment = "/file#/?"

// URI is the description, which must be a recipient's, as a link. data is a text of the app's, empty
// for none.
func (d *Description) URI(data string) string {
	s := "simplex:" + uriFragment + "desc=" + escape(d.String())
	if data != "" {
		s += "&data=" + escape(data)
	}
	return s
}

func escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

// ParseURI reads a link with a recipient's description. The error is ErrDescription.
func ParseURI(uri string) (d *Description, data string, err error) {
	if len(uri) > 3*MaxDescription {
		return nil, "", invalid("too long")
	}
	start, query, ok := strings.Cut(uri, "#/?")
	start, path := strings.CutSuffix(strings.TrimSuffix(start, "/"), "/file")
	if !ok || !path || start != "simplex:" && !isHTTPSHost(start) {
		return nil, "", invalid("not a link to a file")
	}
	var text string
	for field := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(field, "=")
		if value, err = url.QueryUnescape(value); err != nil {
			return nil, "", invalid("escapes of the link")
		}
		switch name {
		case "desc":
			text = value
		case "data":
			data = value
		}
	}
	if d, err = ParseDescription([]byte(text)); err != nil {
		return nil, "", err
	}
	if d.Party != Recipient {
		return nil, "", invalid("not for a recipient")
	}
	return d, data, nil
}

func isHTTPSHost(s string) bool {
	host, ok := strings.CutPrefix(s, "https://")
	return ok && host != "" && !strings.ContainsAny(host, "/?# @")
}
