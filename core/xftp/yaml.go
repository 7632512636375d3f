package xftp

import (
	"strings"
)

// yamlNode is a value of the part of YAML in which descriptions are written: block mappings, block
// lists and scalars in one line. All else, such as anchors, which let a short text stand for a very
// long one, is an error.
type yamlNode struct {
	kind    yamlKind
	scalar  string
	items   []*yamlNode
	entries map[string]*yamlNode
}

type yamlKind byte

const (
	yamlScalar yamlKind = iota
	yamlList
	yamlMap
)

// maxYAMLDepth bounds nesting; descriptions have three levels.
const maxYAMLDepth = 8

type yamlLine struct {
	indent int
	text   string // without spaces at both ends
}

type yamlParser struct {
	lines []yamlLine
	err   error
}

func parseYAML(text []byte) (*yamlNode, error) {
	if len(text) > MaxDescription {
		return nil, invalid("too long")
	}
	var p yamlParser
	for line := range strings.Lines(string(text)) {
		line = strings.TrimRight(line, "\r\n \t")
		body := strings.TrimLeft(line, " ")
		switch {
		case body == "" || body[0] == '#' || line == "---" && len(p.lines) == 0:
			continue
		case body[0] == '\t':
			return nil, invalid("a tab")
		}
		p.lines = append(p.lines, yamlLine{len(line) - len(body), body})
	}
	if len(p.lines) == 0 {
		return nil, invalid("empty")
	}
	root := p.block(p.lines[0].indent, 0)
	if len(p.lines) > 0 {
		p.fail("indentation")
	}
	return root, p.err
}

func (p *yamlParser) fail(what string) {
	if p.err == nil {
		p.err = invalid(what)
	}
	p.lines = nil
}

// block reads the lines with an indentation and those below them.
func (p *yamlParser) block(indent, depth int) *yamlNode {
	if depth > maxYAMLDepth {
		p.fail("too deep")
		return &yamlNode{}
	}
	line := p.lines[0]
	switch {
	case isItem(line.text):
		return p.list(indent, depth)
	case isEntry(line.text):
		return p.mapping(indent, depth)
	}
	p.lines = p.lines[1:]
	return p.scalar(line.text)
}

func isItem(text string) bool { return text == "-" || strings.HasPrefix(text, "- ") }

func isEntry(text string) bool {
	key, _, ok := cutEntry(text)
	return ok && key != "" && !strings.ContainsAny(key[:1], `'"[{&*!|>%@`)
}

func cutEntry(text string) (key, value string, ok bool) {
	if key, value, ok = strings.Cut(text, ": "); ok {
		return strings.TrimRight(key, " "), strings.TrimLeft(value, " "), true
	}
	key, ok = strings.CutSuffix(text, ":")
	return strings.TrimRight(key, " "), "", ok
}

func (p *yamlParser) list(indent, depth int) *yamlNode {
	n := &yamlNode{kind: yamlList}
	for len(p.lines) > 0 && p.lines[0].indent == indent && isItem(p.lines[0].text) {
		// What follows the dash is as if it stood alone, with more indentation.
		rest := strings.TrimLeft(p.lines[0].text[1:], " ")
		if rest == "" {
			p.fail("empty item")
			break
		}
		inner := indent + len(p.lines[0].text) - len(rest)
		p.lines[0] = yamlLine{inner, rest}
		n.items = append(n.items, p.block(inner, depth+1))
	}
	return n
}

func (p *yamlParser) mapping(indent, depth int) *yamlNode {
	n := &yamlNode{kind: yamlMap, entries: map[string]*yamlNode{}}
	for len(p.lines) > 0 && p.lines[0].indent == indent && isEntry(p.lines[0].text) {
		key, value, _ := cutEntry(p.lines[0].text)
		p.lines = p.lines[1:]
		if n.entries[key] != nil {
			p.fail("a key stands twice")
			break
		}
		if value != "" && value[0] != '#' {
			n.entries[key] = p.scalar(value)
			continue
		}
		// The value is below, with more indentation; the dashes of a list may have the same.
		if len(p.lines) > 0 && (p.lines[0].indent > indent || p.lines[0].indent == indent && isItem(p.lines[0].text)) {
			n.entries[key] = p.block(p.lines[0].indent, depth+1)
		}
	}
	return n
}

// scalar reads a plain or quoted value.
func (p *yamlParser) scalar(text string) *yamlNode {
	n := &yamlNode{}
	quote := text[0]
	switch quote {
	case '\'', '"':
		end := strings.LastIndexByte(text, quote)
		rest := strings.TrimLeft(text[end+1:], " ")
		if end == 0 || rest != "" && rest[0] != '#' {
			p.fail("quotes")
			return n
		}
		n.scalar = text[1:end]
		if quote == '\'' {
			n.scalar = strings.ReplaceAll(n.scalar, "''", "'")
		} else if strings.ContainsRune(n.scalar, '\\') {
			p.fail("an escape")
		}
	case '[', ']', '{', '}', '&', '*', '!', '|', '>', '%', '@', '`', ',', '?':
		p.fail("not a plain value")
	default:
		n.scalar, _, _ = strings.Cut(text, " #")
		n.scalar = strings.TrimRight(n.scalar, " ")
	}
	return n
}

// quoteYAML quotes a value where the reference does: one that looks like a number, or like the
// start of a document. The values of descriptions have nothing else that is special.
func quoteYAML(s string) string {
	if strings.HasPrefix(s, "---") || strings.Trim(s, "0123456789") == "" {
		return "'" + s + "'"
	}
	return s
}
